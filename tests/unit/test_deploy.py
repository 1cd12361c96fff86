"""The compose files and the image: what they promise is read from them, without an engine."""

import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from core.config import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
PINNED = re.compile(r".+:\d+\.\d+\.\d+(-[\w.-]+)?")
USED = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
APP = ("api", "worker")
NO_SETTINGS = {"WITH_MODELS", "WORKERS", "WORKER_MEMORY"}  # of the image, and of the containers


def filled(value):
    """With the defaults that compose takes where there is no .env."""
    if isinstance(value, dict):
        return {name: filled(part) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part) for part in value]
    return USED.sub(lambda found: found[2] or "", value) if isinstance(value, str) else value


def services(path: Path = COMPOSE) -> dict[str, dict]:
    """By their names."""
    return filled(yaml.safe_load(path.read_text()))["services"]


LASTING = [name for name, service in services().items() if service["restart"] != "no"]


@pytest.mark.parametrize("name", services())
def test_images_have_full_versions(name):
    """A tag such as `4` or `latest` is another program tomorrow."""
    assert PINNED.fullmatch(services()[name]["image"])


def test_one_service_builds_the_image():
    """It is what the others wait for; they take what it made, and ask no registry for it."""
    assert [name for name, service in services().items() if "build" in service] == ["credentials"]
    for name in APP:
        assert services()[name]["image"] == services()["credentials"]["image"]
        assert services()[name]["pull_policy"] == "never"


def test_only_the_port_of_the_api_is_published_and_only_here():
    """Nobody but this machine reaches it; database and broker not even this machine."""
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8000:8000"]}
    inside = {name for name, service in services().items() if service.get("networks") == ["inside"]}
    assert {"mongo", "rabbitmq"} <= inside
    assert yaml.safe_load(COMPOSE.read_text())["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("name", APP)
def test_the_environment_holds_settings_that_work(name, monkeypatch):
    """A name that is no setting would do nothing, and a value that is none would end the start."""
    given = services()[name]["environment"]
    assert {key.lower() for key in given} <= set(Settings.model_fields)
    for key, value in given.items():
        monkeypatch.setenv(key, str(value))
    assert Settings(_env_file=None).data_dir == Path("/data")


def test_what_env_may_change_is_a_setting():
    """Every name in ${…}, in both files; and all of them have a default, so that no .env is needed."""
    text = COMPOSE.read_text() + (ROOT / "docker-compose.gpu.yml").read_text()
    names = {found[1]: found[2] for found in USED.finditer(text)}
    assert {name.lower() for name in set(names) - NO_SETTINGS} <= set(Settings.model_fields)
    assert None not in names.values()
    assert "$" not in USED.sub("", text).replace("$$", "").replace("${…}", "")


@pytest.mark.parametrize(("name", "folders"), [("api", ["api"]), ("worker", ["worker", "core"])])
def test_what_env_may_change_reaches_who_reads_it(name, folders):
    """Given to the other process alone it would do nothing."""
    sources = [path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")]
    read = set(re.findall(r"\bsettings\.(\w+)", "".join(sources)))
    changed = {found[1].lower() for found in USED.finditer(COMPOSE.read_text())}
    assert read & changed <= {key.lower() for key in services()[name]["environment"]}


@pytest.mark.parametrize("name", APP)
def test_there_is_time_to_stop_in(name):
    """The grace, then 5 s to settle and to say good-bye; after it the process would be killed."""
    service = services()[name]
    grace = float(service["environment"]["SHUTDOWN_GRACE_SECONDS"])
    assert int(service["stop_grace_period"].removesuffix("s")) >= grace + 5


@pytest.mark.parametrize("name", services())
def test_every_container_is_shut_in(name):
    """No capability, no way to gain rights, nothing written but volumes and memory, limits on memory and processes."""
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_tells_its_health_and_is_started_again(name):
    """And what it needs is there first: by its health, or by having ended well."""
    service = services()[name]
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys()
    wanted = {other: rule["condition"] for other, rule in service["depends_on"].items()}
    assert wanted
    for other, condition in wanted.items():
        assert condition == ("service_healthy" if other in LASTING else "service_completed_successfully")


def test_the_user_of_the_database_is_seen_to_at_every_start():
    """What the image runs in a new database is run only there: a first start that is cut short would leave none."""
    assert "initdb.d" not in COMPOSE.read_text()
    assert "./deploy/compose/mongo-replica-set.js:/replica-set.js:ro" in services()["replica-set"]["volumes"]
    script = (ROOT / "deploy/compose/mongo-replica-set.js").read_text()
    assert {"createUser", "updateUser"} <= set(re.findall(r"\w+", script))


def test_health_is_asked_for_what_it_is():
    """A full backlog keeps no start from being one: the API only has to live, and a worker to be able to work."""
    assert services()["api"]["healthcheck"]["test"][-1] == "livez"
    assert services()["worker"]["healthcheck"]["test"][-1] == "readyz"


def test_what_runs_once_is_waited_for():
    """By something that lasts: else `docker compose up --wait` takes its end for a failure."""
    needed = {other for name in LASTING for other in services()[name]["depends_on"]}
    assert {name for name in services() if name not in LASTING} <= needed


def test_workers_can_be_many():
    """Nothing that only one container can have: a name, a port of the host. Their number is kept in .env."""
    assert not {"container_name", "ports", "hostname"} & services()["worker"].keys()
    assert yaml.safe_load(COMPOSE.read_text())["services"]["worker"]["deploy"]["replicas"] == "${WORKERS:-1}"


def test_the_volume_of_models_is_filled_for_one_container_alone():
    """The one that all others wait for: the engine fails where it copies an image's files for two at once."""
    plain = {
        name for name, service in services().items() if any(":/models" in str(volume) for volume in service["volumes"])
    }
    assert plain == {"credentials"}
    for name in APP:
        (models,) = (volume for volume in services()[name]["volumes"] if "/models" in str(volume))
        assert models["source"] == "models"
        assert models["volume"] == {"nocopy": True}


def test_no_password_is_written_down():
    """They are made at the first start; nothing else in the file looks like one."""
    text = COMPOSE.read_text()
    assert not re.findall(r"(?i)passw\w*[:=]\s*[^$/\s\"]", text)
    assert "://" not in text.replace("file:///data/blobs", "").replace("mongodb://mongo:27017/admin", "")


def test_the_gpu_file_only_changes_workers():
    """Its image is another target of the same file."""
    changed = services(ROOT / "docker-compose.gpu.yml")
    assert set(changed) == {"worker"}
    assert PINNED.fullmatch(changed["worker"]["image"])
    assert changed["worker"]["image"] != services()["worker"]["image"]
    assert changed["worker"]["build"].items() >= services()["credentials"]["build"].items()
    assert {name.lower() for name in changed["worker"]["environment"]} <= set(Settings.model_fields)
    assert f"AS {changed['worker']['build']['target']}\n" in (ROOT / "Dockerfile").read_text()


def test_passwords_are_made_once(tmp_path):
    """The second start finds what the first has made; the addresses are settings; nobody can write the files."""
    folders = [tmp_path / name for name in ("app", "servers")]
    for folder in folders:
        folder.mkdir()
    seen = []
    for _ in range(2):
        subprocess.run([sys.executable, "-P", ROOT / "deploy/compose/credentials.py", *folders], check=True)
        seen.append({path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()})
    assert seen[0] == seen[1]
    assert all(path.stat().st_mode & 0o777 == 0o444 for path in seen[0])
    settings = Settings(_env_file=tmp_path / "app" / ".env")
    secrets = [text for path, text in seen[0].items() if path.parent.name == "servers"]
    assert len(set(secrets)) == len(secrets) == 3
    assert all(len(secret) == 64 for secret in secrets)
    assert (tmp_path / "servers" / "mongo_password").read_text() in settings.mongo_url
    assert (tmp_path / "servers" / "rabbitmq_password").read_text() in settings.rabbitmq_url


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)])
def test_the_image_s_check_asks_the_port(status, code):
    """The worker's, where it has one; nobody there is not well."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *rest):
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        if status is None:
            server.server_close()
        else:
            Thread(target=server.handle_request, daemon=True).start()
        environment = {"WORKER_HEALTH_PORT": str(server.server_port), "API_PORT": "1"}
        script = ROOT / "deploy/docker/health.py"
        done = subprocess.run(
            [sys.executable, "-P", script, "readyz"], env=environment, capture_output=True, check=False
        )
    assert done.returncode == code


def test_the_image_is_pinned_and_runs_as_nobody():
    """Stages on one full version; a fixed number as user; the exec form, so that the process itself gets SIGTERM."""
    text = (ROOT / "Dockerfile").read_text()
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", text, re.MULTILINE)
    assert PINNED.fullmatch(base)
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
    assert {source for source, _ in stages} <= {"${PYTHON_IMAGE}"} | {name for _, name in stages}
    assert stages[-1] == ("runtime", "")
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]
    assert re.search(r'^ENTRYPOINT \["', text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*\[", text, re.MULTILINE)
    installs = re.findall(r"pip install [^\n]*", text)
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)


def test_the_image_can_be_read_whatever_the_modes_of_the_clone():
    """A copy keeps them, and the user is none that owns it: so only stages that build copy from the clone."""
    build, *rest = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    assert build.rindex("chmod -R a+rX /app") > build.rindex("COPY ")
    running = [stage for stage in rest if not stage.startswith("build ")]
    assert not re.findall(r"^COPY (?!--from)", "".join(running), re.MULTILINE)
    assert "COPY --from=build /app /app" in running[0]


def test_what_is_copied_into_the_image_is_sent_to_it():
    """Each source exists, and .dockerignore lets it through."""
    text = (ROOT / "Dockerfile").read_text()
    lines = re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
    sources = {source for line in lines for source in line.split()[:-1]}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for source in sources:
        assert (ROOT / source).exists()
        assert any(source == path or source.startswith(f"{path}/") for path in allowed)
    assert not {path for path in allowed if not (ROOT / path).exists()}
