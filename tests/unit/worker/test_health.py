"""The health port of a worker that runs on its own."""

import socket

import httpx
import pytest

from core.config import Settings
from core.errors import InvalidRequestError
from worker.health import health_port


def settings(port: int | str) -> Settings:
    """With this health port."""
    return Settings(_env_file=None, worker_health_port=port)


async def test_alive_and_ready_are_two_things():
    """/readyz follows the checks and says which one failed; /livez follows nothing."""
    found = {"worker": "ok", "broker": "The broker is away."}

    async def checks() -> dict[str, str]:
        return found

    async with health_port(settings(0), checks) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        refused = await http.get("/readyz")
        assert (refused.status_code, refused.json()) == (503, {"status": "unavailable", "checks": found})
        assert (await http.get("/livez")).status_code == 200
        found["broker"] = "ok"
        assert (await http.get("/readyz")).status_code == 200
        assert (await http.get("/anything")).status_code == 404


async def test_an_empty_port_is_none():
    """The default: nothing listens."""
    async with health_port(settings(""), None) as port:
        assert port is None


async def test_a_port_that_is_taken_is_told_of():
    """As a setting to change."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(InvalidRequestError, match="WORKER_HEALTH_PORT"),
    ):
        async with health_port(settings(taken.getsockname()[1]), None):
            pass
