"""What a hub that answers badly, or not at all, comes to. The hub is a small server on this machine."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from huggingface_hub import constants

from core.engines.hub import fetch_from_hub
from core.errors import ModelNotFoundError, ParascribeError, TransientError

COMMIT = "0" * 40
FILE = b'{"a": 1}'


class Hub(BaseHTTPRequestHandler):
    """Has one repository with one file. ``status``: of every answer, if not 0; ``sent``: bytes of the file."""

    status: ClassVar[int] = 0
    sent: ClassVar[int] = len(FILE)

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        if self.status:
            self._answer(b"{}")
        elif "/tree/" in self.path:
            self._answer(json.dumps([{"type": "file", "path": "config.json", "size": 8, "oid": "a" * 40}]).encode())
        elif "/api/models/" in self.path:
            self._answer(json.dumps({"id": "some/model", "sha": COMMIT, "siblings": []}).encode())
        else:
            self._answer(FILE)

    def _answer(self, body: bytes) -> None:
        self.send_response(self.status or 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) or len(FILE)))
        self.send_header("ETag", '"etag"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        self.wfile.write(body[: self.sent] if body == FILE else body)
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def point_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's hub is there."""
    address = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The hub that the client asks."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        point_at(server.server_port, monkeypatch)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub at whose port nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        point_at(taken.getsockname()[1], monkeypatch)
        yield


def failure(target: Path) -> ParascribeError:
    """What fetching ends with."""
    with pytest.raises(ParascribeError) as caught:
        fetch_from_hub("some/model", target)
    return caught.value


def test_a_model_is_fetched(hub: None, tmp_path: Path) -> None:
    """So that the failures below are the hub's, not the test's."""
    fetch_from_hub("some/model", tmp_path / "model")
    assert (tmp_path / "model" / "config.json").read_bytes() == FILE


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_the_hub_refuses_stays_refused(
    hub: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """No such repository, or not for us."""
    monkeypatch.setattr(Hub, "status", status)
    assert isinstance(failure(tmp_path / "model"), ModelNotFoundError)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_fault_of_the_hub_may_pass(hub: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """A task must not fail for good over it."""
    monkeypatch.setattr(Hub, "status", status)
    error = failure(tmp_path / "model")
    assert isinstance(error, TransientError)
    assert error.code == "model_download_failed"


def test_a_hub_that_cannot_be_reached_may_come_back(gone: None, tmp_path: Path) -> None:
    """The client calls that a file that is not in its cache."""
    error = failure(tmp_path / "model")
    assert isinstance(error, TransientError)
    assert error.code == "model_download_failed"
    assert "ConnectError" in error.message


def test_a_download_that_breaks_off_may_be_begun_again(
    hub: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gigabytes over a line that drops. The client itself tries five times, a second apart."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(Hub, "sent", 3)
    error = failure(tmp_path / "model")
    assert isinstance(error, TransientError)
    assert error.code == "model_download_failed"


def test_a_client_that_is_to_stay_offline_does_not_wait_for_a_hub(
    hub: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HF_HUB_OFFLINE is a decision, no fault that passes."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert isinstance(failure(tmp_path / "model"), ModelNotFoundError)
