"""`parascribe serve` as processes: real database, a stand-in for the app, real signals."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient

SERVE = """
import sys
from cli.serve import serve
from cli.settings import load_settings
sys.exit(serve(load_settings(), app_command=(sys.executable, sys.argv[1])))
"""
IMPORTS = "import json, os, signal, subprocess, sys, time\n"
TELL = "print(json.dumps({'app': os.getpid(), **os.environ}), flush=True)\n"
WAIT = "time.sleep(600)\n"
OBEDIENT = IMPORTS + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n" + TELL + WAIT
STUBBORN = IMPORTS + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + TELL + WAIT
REFUSING = IMPORTS + TELL + "sys.exit(78)\n"
WITH_CHILD = IMPORTS + "subprocess.Popen(['sleep', '600'])\n" + TELL + WAIT
ELSEWHERE = "mongodb://127.0.0.1:1/?directConnection=true"  # given, so that no database is started


@dataclass
class Served:
    """A running supervisor; its output is in ``log``, one JSON object a line."""

    process: subprocess.Popen
    log: Path
    data: Path

    def events(self, name: str) -> list[dict]:
        """What the supervisor said."""
        return [line for line in self._lines() if line.get("event") == name]

    def apps(self) -> list[dict]:
        """What each app in turn found: its pid as ``app``, and its environment."""
        return [line for line in self._lines() if "app" in line]

    def children(self) -> dict[str, psutil.Process]:
        """The present child of each name."""
        started = {event["child"]: event["pid"] for event in self.events("child_started")}
        return {name: psutil.Process(pid) for name, pid in started.items()}

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Exit code and seconds."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(15), time.monotonic() - began

    def _lines(self) -> list[dict]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


@contextmanager
def served(tmp_path: Path, app: str, **environment: str) -> Iterator[Served]:
    """A supervisor whose app is this program; the app has started when the block begins."""
    (tmp_path / "app.py").write_text(app)
    data, log = tmp_path / "data", tmp_path / "log"
    clean = {"MONGO_URL": "", "API_PORT": "0", "DATA_DIR": str(data), "LOG_FORMAT": "json"}
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(tmp_path / "app.py")],
            env={**os.environ, **clean, **environment},
            cwd=tmp_path,
            stdout=out,
            stderr=out,
        )
    running = Served(process=process, log=log, data=data)
    family: list[psutil.Process] = []
    try:
        until(lambda: running.apps() or process.poll() is not None)
        family = descendants(process.pid)
        yield running
    finally:
        process.kill()
        process.wait()
        until(lambda: not alive(family))


def descendants(pid: int) -> list[psutil.Process]:
    """Its children and theirs."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Return when it holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_database_and_app_start_and_stop_in_order(tmp_path):
    """The app finds a database that answers; at SIGTERM it goes first; all is over soon, with exit code 0."""
    with served(tmp_path, OBEDIENT) as running:
        with MongoClient(running.apps()[0]["MONGO_URL"]) as client:
            client.test.things.insert_one({"_id": 1})
        family = descendants(running.process.pid)
        code, seconds = running.stop()
        assert code == 0
        assert seconds < 10
        assert [event["child"] for event in running.events("child_ended")] == ["app", "database"]
        assert running.events("child_ended")[0]["exit_code"] == 0
        assert not alive(family)


def test_a_stubborn_app_is_killed_within_ten_seconds(tmp_path):
    """An app that ignores SIGTERM holds up neither the database nor the end."""
    with served(tmp_path, STUBBORN) as running:
        family = descendants(running.process.pid)
        code, seconds = running.stop(signal.SIGINT)
        assert code == 0
        assert 8 < seconds < 10
        assert running.events("child_ended")[0]["exit_code"] == -signal.SIGKILL
        assert running.events("child_ended")[1]["child"] == "database"
        assert not alive(family)


def test_a_second_signal_ends_everything_at_once(tmp_path):
    """Whoever asks twice does not wait for the app."""
    with served(tmp_path, STUBBORN, MONGO_URL=ELSEWHERE) as running:
        family = descendants(running.process.pid)
        running.process.send_signal(signal.SIGTERM)
        until(lambda: running.events("stopping"))
        code, seconds = running.stop()
        assert code == 1
        assert seconds < 2
        assert not alive(family)


def test_killed_children_are_started_again(tmp_path):
    """The app dies: a new one. The database dies: the same port, the same data, and the app runs on meanwhile."""
    with served(tmp_path, OBEDIENT) as running:
        running.children()["app"].kill()
        until(lambda: len(running.apps()) == 2)
        url, app = running.apps()[-1]["MONGO_URL"], running.children()["app"]
        with MongoClient(url) as client:
            client.test.things.insert_one({"_id": 1})
            running.children()["database"].kill()
            until(lambda: len([e for e in running.events("child_started") if e["child"] == "database"]) == 2)
            client.test.things.insert_one({"_id": 2})  # the driver waits for the port and writes again
            assert client.test.things.count_documents({}) == 2
        assert alive([app])
        died = [(event["child"], event["restart_in_seconds"]) for event in running.events("child_died")]
        assert died == [("app", 0.2), ("database", 0.2)]


def test_nothing_outlives_a_killed_supervisor(tmp_path):
    """kill -9 of the supervisor takes its children with it, and the directory is free for the next one."""
    if sys.platform != "linux":
        pytest.skip("only Linux ties a child's life to its parent's")
    with served(tmp_path, OBEDIENT) as running:
        family = descendants(running.process.pid)
        assert len(family) == 2
        running.process.kill()
        until(lambda: not alive(family), seconds=5)
    with served(tmp_path, OBEDIENT) as running:
        assert running.stop()[0] == 0


def test_what_a_dead_app_leaves_behind_is_ended(tmp_path):
    """A decoder whose app crashed does not go on for ever."""
    with served(tmp_path, WITH_CHILD, MONGO_URL=ELSEWHERE) as running:
        app = running.children()["app"]
        leftover = app.children()
        assert leftover
        app.kill()
        until(lambda: not alive(leftover), seconds=5)


def test_an_app_that_refuses_its_settings_is_not_started_again(tmp_path):
    """Exit code 78 means that no restart helps: everything ends, with that code."""
    with served(tmp_path, REFUSING, MONGO_URL=ELSEWHERE) as running:
        assert running.process.wait(15) == os.EX_CONFIG
        assert len(running.apps()) == 1


def test_a_second_serve_on_the_same_data_is_refused(tmp_path):
    """One sentence, exit code 78, and the first one is not disturbed."""
    with served(tmp_path, OBEDIENT) as running:
        before = alive(descendants(running.process.pid))
        command = [sys.executable, "-P", "-m", "cli.main", "serve", "--port", "0", "--data-dir", str(running.data)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == os.EX_CONFIG
        assert f"process {running.process.pid}" in second.stderr
        assert alive(descendants(running.process.pid)) == before


def test_a_given_database_is_used_and_none_is_started(tmp_path):
    """With MONGO_URL there is one child, the app, and the data directory is not locked."""
    with served(tmp_path, OBEDIENT, MONGO_URL=ELSEWHERE) as running:
        assert running.apps()[0]["MONGO_URL"] == ELSEWHERE
        assert set(running.children()) == {"app"}
        assert not (running.data / ".lock").exists()


def test_any_port_is_the_same_port_after_a_restart(tmp_path):
    """API_PORT=0 is decided once: clients find the app again after it crashed."""
    with served(tmp_path, OBEDIENT, MONGO_URL=ELSEWHERE) as running:
        running.children()["app"].kill()
        until(lambda: len(running.apps()) == 2)
        ports = {app["API_PORT"] for app in running.apps()}
        assert len(ports) == 1
        assert ports != {"0"}


def test_ctrl_c_on_the_terminal_does_not_reach_the_children(tmp_path):
    """Each child has a session of its own, so that only the supervisor decides when it ends."""
    with served(tmp_path, OBEDIENT) as running:
        sessions = {os.getsid(child.pid) for child in running.children().values()}
        assert os.getsid(running.process.pid) not in sessions
        assert len(sessions) == 2
