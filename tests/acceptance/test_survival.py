"""kill -9 at random moments: what was accepted is completed, and what was done is never done again."""

import contextlib
import hashlib
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from core.models import SAMPLE_RATE, Pcm
from tests.support.audio import speech, wav
from tests.support.live import Service, serving, until

SLOTS, BATCH = 2, 4


@dataclass
class Journal:
    """What the fake engine was asked to transcribe, by the SHA-256 of the window."""

    path: Path
    done: dict[str, int] = field(default_factory=dict)  # attempts at a window when it was first seen done

    def counts(self) -> Counter[str]:
        """Attempts so far."""
        return (
            Counter(line.split()[1] for line in self.path.read_text().splitlines()) if self.path.exists() else Counter()
        )

    def note_done(self, service: Service, task_id: str, pcm: Pcm) -> None:
        """Remember how often every finished window had been tried by then."""
        finished = [chunk for chunk in service.chunks(task_id) if chunk["state"] == "done"]
        counts = self.counts()
        for chunk in finished:
            digest = window_digest(chunk, pcm)
            self.done.setdefault(digest, counts[digest])


def window_digest(chunk: dict, pcm: Pcm) -> str:
    """Of the samples that the engine heard; the test's audio is 16 kHz mono, so decoding changes nothing."""
    start, end = (round(chunk[side] * SAMPLE_RATE) for side in ("start", "end"))
    return hashlib.sha256(pcm[start:end].tobytes()).hexdigest()


def kill_app(service: Service) -> None:
    """As the kernel would; the supervisor starts another."""
    app = service.app
    app.kill()
    until(lambda: app_pid(service), lambda pid: pid not in {None, app.pid}, 30)


def app_pid(service: Service) -> int | None:
    """Of the app that runs now, if one does."""
    for child in service.supervisor.children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one, too
            if "cli.embedded" in " ".join(child.cmdline()):
                return child.pid
    return None


def answering(service: Service) -> None:
    """Wait until the app is back."""

    def ready() -> bool:
        try:
            return service.http.get("/readyz").status_code == 200
        except Exception:  # noqa: BLE001 - whatever a connection to a process that is starting gives
            return False

    until(ready, bool, 60)


def survive(tmp_path: Path, *, kills: int, seed: int, tasks: int = 10) -> None:
    """Ten tasks, random kills, and then every promise is checked."""
    random_ = random.Random(seed)
    journal = Journal(tmp_path / "journal")
    audio = [speech(90, seed=number) for number in range(tasks)]
    spec = f'{{"journal": "{journal.path}", "speed": 8}}'
    with serving(tmp_path, engine="fake", fake_engine=spec, max_parallel_workers=SLOTS, batch_size=BATCH) as service:
        ids = [service.upload(wav(pcm)) for pcm in audio]
        for _ in range(kills):
            answering(service)
            time.sleep(random_.uniform(0.0, 1.5))  # the random moment itself, not a wait for anything
            for task_id, pcm in zip(ids, audio, strict=True):
                journal.note_done(service, task_id, pcm)
            kill_app(service)
        answering(service)
        ended = [service.wait(task_id, 300) for task_id in ids]
        check(service, journal, ended, audio, kills)


def check(service: Service, journal: Journal, ended: list[dict], audio: list[Pcm], kills: int) -> None:
    """Completed, nothing done twice, nothing doubled or missing, everything accounted for."""
    assert {task["status"] for task in ended} == {"completed"}
    counts = journal.counts()
    assert {digest: counts[digest] for digest in journal.done} == journal.done
    windows = 0
    for task, pcm in zip(ended, audio, strict=True):
        chunks = service.chunks(task["task_id"])
        windows += len(chunks)
        assert [chunk["index"] for chunk in chunks] == list(range(task["chunks_total"]))
        assert all(counts[window_digest(chunk, pcm)] >= 1 for chunk in chunks)
        assert sum(task["coverage"].values()) == pytest.approx(task["duration_seconds"], abs=0.01)
        segments = service.transcript(task["task_id"])["segments"]
        assert len({(one["start"], one["end"], one["text"]) for one in segments}) == len(segments)
        assert [one["start"] for one in segments] == sorted(one["start"] for one in segments)
    again = sum(counts.values()) - windows
    assert again <= kills * SLOTS * BATCH, f"{again} windows transcribed again over {kills} kills"


def test_tasks_survive_kills_of_the_app(tmp_path):
    """The short form of the test below."""
    survive(tmp_path, kills=4, seed=11, tasks=5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_ten_tasks_survive_twenty_kills_of_the_app(tmp_path, seed):
    """At random moments from a seed: every task completes without anyone's help."""
    survive(tmp_path, kills=20, seed=seed)


def test_the_transcript_after_kills_is_that_of_a_quiet_run(tmp_path):
    """With two kills in the middle, text and times are what an undisturbed run gives."""
    pcm = speech(60, seed=5)
    with serving(tmp_path, engine="fake", fake_engine='{"speed": 10}') as service:
        quiet = service.transcript(service.transcribe(wav(pcm))["task_id"])["segments"]
        task_id = service.upload(wav(pcm))
        for _ in range(2):
            answering(service)
            until(lambda: service.task(task_id)["status"], lambda status: status == "processing", 30)
            kill_app(service)
        answering(service)
        assert service.wait(task_id)["status"] == "completed"
        assert service.transcript(task_id)["segments"] == quiet


@pytest.mark.slow
def test_the_real_engine_survives_three_kills(tmp_path):
    """Base on real speech: same text as undisturbed."""
    pcm = speech(240, gap_seconds=1.0, seed=6)
    with serving(tmp_path) as service:
        quiet = service.text(service.transcribe(wav(pcm), seconds=600)["task_id"])
        task_id = service.upload(wav(pcm))
        for done in (1, 3, 5):
            answering(service)
            until(lambda: service.task(task_id)["chunks_completed"], lambda count, done=done: count >= done, 300)
            kill_app(service)
        answering(service)
        assert service.wait(task_id, 600)["status"] == "completed"
        assert service.text(task_id) == quiet


@pytest.mark.parametrize("signal", ["SEGV", "KILL"])
def test_a_poisonous_chunk_fails_alone(tmp_path, signal):
    """One window takes its process down: after three native crashes it has failed, and all others are done."""
    pcm = speech(60, seed=7)
    journal = Journal(tmp_path / "journal")
    healthy = json.dumps({"journal": str(journal.path)})
    with serving(tmp_path, engine="fake", fake_engine=healthy) as service:
        task_id = service.transcribe(wav(pcm))["task_id"]
        poison = window_digest(service.chunks(task_id)[3], pcm)
    journal.path.unlink()
    crash = {"match": [poison], "times": None if signal == "SEGV" else 3, "signal": signal}
    spec = json.dumps({"journal": str(journal.path), "crash": crash})
    with serving(tmp_path, engine="fake", fake_engine=spec) as service:
        poisoned, other = service.upload(wav(pcm)), service.upload(wav(speech(60, seed=8)))
        task = wait_through_restarts(service, poisoned)
        assert wait_through_restarts(service, other)["status"] == "completed"
        assert task["chunks_failed"] == (1 if signal == "SEGV" else 0)
        assert task["status"] == ("partial" if signal == "SEGV" else "completed")
        if signal == "SEGV":
            (failed,) = [chunk for chunk in service.chunks(poisoned) if chunk["state"] == "failed"]
            assert (failed["index"], failed["attempts"]) == (3, 3)
            assert failed["error"]["code"] == "worker_crashed"


def wait_through_restarts(service: Service, task_id: str) -> dict:
    """The ended task, asked for by a client that tries again while the app restarts."""

    def read() -> dict:
        answering(service)
        try:
            return service.task(task_id)
        except Exception:  # noqa: BLE001 - it went down between two questions
            return {"status": "unknown"}

    return until(read, lambda task: task["status"] in {"completed", "partial", "failed", "cancelled"}, 120)
