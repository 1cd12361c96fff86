"""The manifests for Kubernetes: what they promise is read from them, without a cluster."""

import math
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from core.adapters.mongo.workers import WorkerInfo
from core.adapters.rabbitmq.topology import Topology
from core.config import Settings
from core.flow.credits import Credits
from core.ports import Queue
from worker.batch_memory import usual_batch
from worker.shares import in_hand

BASE = Path(__file__).parents[2] / "deploy" / "kubernetes" / "base"
OVERLAY = BASE.parent / "overlays" / "example"
SCALE_OUT = BASE.parents[2] / "docs" / "how-to" / "scale-out.md"
SECRET = {"MONGO_URL", "RABBITMQ_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def documents(folder: Path) -> list[dict]:
    """All of a folder, the kustomization itself aside."""
    files = [path for path in sorted(folder.glob("*.yaml")) if path.name != "kustomization.yaml"]
    return [document for path in files for document in yaml.safe_load_all(path.read_text())]


def of_kind(kind: str) -> dict[str, dict]:
    """By name."""
    return {document["metadata"]["name"]: document for document in documents(BASE) if document["kind"] == kind}


def pod(name: str) -> dict:
    """What a deployment runs."""
    return of_kind("Deployment")[name]["spec"]["template"]["spec"]


def kustomization(folder: Path) -> dict:
    """What puts a folder together."""
    return yaml.safe_load((folder / "kustomization.yaml").read_text())


def settings(folder: Path) -> dict[str, str]:
    """What is no secret."""
    lines = (folder / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


DEPLOYMENTS = list(of_kind("Deployment"))
SHARED = settings(BASE)
CHUNKS = Topology(prefix=SHARED["RABBITMQ_PREFIX"]).queue(Queue.CHUNKS)


def environment(name: str) -> dict[str, str]:
    """Without what the Secret adds."""
    (container,) = pod(name)["containers"]
    return {**SHARED, **{pair["name"]: pair["value"] for pair in container["env"]}}


def of_worker(kind: str, folder: Path) -> dict:
    """What the base says of it, or what an overlay changes."""
    (found,) = (
        document
        for document in documents(folder)
        if (document["kind"], document["metadata"]["name"]) == (kind, "parascribe-worker")
    )
    return found["spec"]


def values(scaling: dict) -> dict[str, int]:
    """How many messages each worker is to have waiting, by queue."""
    return {trigger["metadata"]["queueName"]: int(trigger["metadata"]["value"]) for trigger in scaling["triggers"]}


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Chunks for each worker of a fleet whose workers are alike."""

    slots: int
    batch: int
    announced: int  # of each long file
    taken: int  # of all of them

    def waiting(self, files: int) -> int:
        """What is left in the queue."""
        return max(0, files * self.announced - self.taken)


def size(folder: Path) -> tuple[int, int]:
    """Slots and batch of a worker, as it reads them."""
    (container,) = of_worker("Deployment", folder)["template"]["spec"]["containers"]
    given = {**environment("parascribe-worker"), **{pair["name"]: pair["value"] for pair in container["env"]}}
    names = ("max_parallel_workers", "batch_size")
    settings = Settings(_env_file=None, **{name: given[name.upper()] for name in names})
    return settings.slots, usual_batch(settings).most


async def figures(slots: int, batch: int) -> Figures:
    """By the code that announces and that takes in."""

    async def workers():
        return [WorkerInfo(id="a", slots=slots, batch=batch, beats=0)]

    fleet = SimpleNamespace(tasks=None, chunks=None, broker=None, workers=SimpleNamespace(all=workers))
    announced = await Credits(fleet).limit(SimpleNamespace(max_parallel_workers=None))
    return Figures(slots=slots, batch=batch, announced=announced, taken=in_hand(slots, batch))


def fleets(workers: int, factor: float, most: int) -> list[int]:
    """How many workers there are, step by step, where so many times as many are asked for, until nothing changes."""
    steps = [workers]
    while (asked := min(most, math.ceil(steps[-1] * factor))) != steps[-1]:
        steps.append(asked)
    return steps


@pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=lambda folder: folder.name)
def test_every_file_is_named_in_the_kustomization(folder):
    """One that is forgotten would do nothing."""
    parts = kustomization(folder)
    named = {*parts["resources"], *(patch["path"] for patch in parts.get("patches", []))}
    named |= {path for made in parts["configMapGenerator"] for path in made["envs"]}
    assert {path.name for path in folder.iterdir()} - {"kustomization.yaml"} == named - {"../../base"}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_image_has_a_full_version(name):
    """Set in one place for both."""
    (container,) = pod(name)["containers"]
    (image,) = kustomization(BASE)["images"]
    assert container["image"] == image["name"]
    assert image["newTag"].count(".") == 2


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_environment_holds_settings_that_work(name, monkeypatch):
    """Every name is one, every value is taken; what is secret is not among them."""
    given = environment(name)
    assert {key.lower() for key in given} <= set(Settings.model_fields)
    assert not SECRET & set(given)
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    assert Settings(_env_file=None).storage_url == "s3://parascribe"
    assert {key.lower() for key in settings(OVERLAY)} <= set(Settings.model_fields)


@pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=lambda folder: folder.name)
def test_changed_settings_replace_the_pods(folder):
    """By the hash in the name of a map that kustomize makes; one that keeps its name is read at the next start only."""
    assert "ConfigMap" not in {document["kind"] for document in documents(folder)}
    (made,) = kustomization(folder)["configMapGenerator"]
    assert made["name"] == "parascribe"
    assert not {"options", "generatorOptions"} & {*made, *kustomization(folder)}


def test_no_secret_is_in_the_repository():
    """It is referred to by name; the names that the docs give for it are settings."""
    assert "Secret" not in {document["kind"] for folder in (BASE, OVERLAY) for document in documents(folder)}
    for name in DEPLOYMENTS:
        (container,) = pod(name)["containers"]
        assert {"secretRef": {"name": "parascribe"}} in container["envFrom"]
    assert {name.lower() for name in SECRET} <= set(Settings.model_fields)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_there_is_time_to_stop_in(name):
    """The grace, what comes before it, and 5 s to settle and to say good-bye."""
    grace = float(environment(name)["SHUTDOWN_GRACE_SECONDS"])
    assert pod(name)["terminationGracePeriodSeconds"] >= grace + 5 + 5


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_probes_ask_what_each_is_for(name):
    """An outage elsewhere restarts nobody, and takes no API out of the service: it still answers, if only with why."""
    (container,) = pod(name)["containers"]
    (port,) = container["ports"]
    ready = "/readyz" if "worker" in name else "/livez"
    paths = {
        probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": ready}
    assert all(container[probe]["httpGet"]["port"] == port["name"] for probe in paths)
    asked = environment(name)
    listening = ("WORKER_HEALTH_HOST", "WORKER_HEALTH_PORT") if "worker" in name else ("API_HOST", "API_PORT")
    assert [asked[key] for key in listening] == ["0.0.0.0", str(port["containerPort"])]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_container_is_shut_in(name):
    """As the standard `restricted` asks, and the root file system read-only beside."""
    spec = pod(name)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_drain_leaves_some_at_work(name):
    """Each deployment has its budget, on the same labels."""
    budget = of_kind("PodDisruptionBudget")[name]["spec"]
    assert budget["selector"] == of_kind("Deployment")[name]["spec"]["selector"]


def test_workers_are_counted_by_the_queues_that_there_are():
    """The names are those of the broker's topology."""
    scaling = of_kind("ScaledObject")["parascribe-worker"]["spec"]
    topology = Topology(prefix=SHARED["RABBITMQ_PREFIX"])
    assert set(values(scaling)) == {topology.queue(queue) for queue in Queue}
    assert scaling["scaleTargetRef"]["name"] in DEPLOYMENTS
    assert "replicas" not in of_kind("Deployment")["parascribe-worker"]["spec"]


@pytest.mark.parametrize("slots", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("batch", [1, 2, 4, 6, 8, 10, 16, 64])
async def test_places_are_more_than_waits_of_one_long_file_and_less_than_of_two(slots, batch):
    """So that is the value for whatever workers; the autoscaler overlooks a tenth."""
    known = await figures(slots, batch)
    assert known.waiting(1) < slots * batch
    assert known.waiting(2) > slots * batch * 1.1


@pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=lambda folder: folder.name)
async def test_what_is_written_of_scaling_is_what_the_code_makes_of_it(folder):
    """The value, the comment beside it and the row of the document: by what is announced and what is taken in."""
    scaling, known = of_worker("ScaledObject", folder), await figures(*size(folder))
    value, most = values(scaling)[CHUNKS], scaling["maxReplicaCount"]
    one, two = known.waiting(1), known.waiting(2)
    assert value == known.slots * known.batch
    comment = " ".join(re.findall(r"^# (.*)", (folder / "scaling.yaml").read_text(), re.MULTILINE))
    taken = f"a worker takes in {known.taken} of {known.announced}"
    assert f"{known.slots} slots and batches of {known.batch} {taken}. So" in comment
    assert f"So {one} chunks a worker wait of one long file, and {two} of two" in comment
    steps = " → ".join(map(str, fleets(1, two / value, most)))
    least = fleets(most, one / value, most)[-1]
    row = (f"`{folder.name}`", known.slots, known.batch, known.announced, known.taken, one, two, value, steps, least)
    assert f"| {' | '.join(map(str, row))} |" in SCALE_OUT.read_text()


def test_the_overlay_counts_the_same_queues():
    """Its patch replaces the list as a whole; all but the number for chunks is that of the base."""
    own, base = of_worker("ScaledObject", OVERLAY)["triggers"], of_worker("ScaledObject", BASE)["triggers"]
    for mine, usual in zip(own, base, strict=True):
        changed = {"value": mine["metadata"]["value"]} if usual["metadata"]["queueName"] == CHUNKS else {}
        assert mine == {**usual, "metadata": {**usual["metadata"], **changed}}


def test_what_a_worker_that_leaves_gives_back_is_waited_for():
    """It is more than is meant to wait, until it is worked off: the looks of a minute have to find it."""
    scaling = of_worker("ScaledObject", BASE)
    behavior = scaling["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] >= 60


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl; what it would check by reading is above")
@pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=lambda folder: folder.name)
def test_kustomize_builds_it(folder):
    """Patches find what they patch, and pods the settings, by the name with the hash."""
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    (shared,) = (document for document in built if document["kind"] == "ConfigMap")
    assert shared["metadata"]["name"].startswith("parascribe-")
    assert shared["data"] == SHARED | settings(folder)
    pods = [document["spec"]["template"]["spec"] for document in built if document["kind"] == "Deployment"]
    assert len(pods) == len(DEPLOYMENTS)
    for spec in pods:
        assert {"configMapRef": {"name": shared["metadata"]["name"]}} in spec["containers"][0]["envFrom"]
