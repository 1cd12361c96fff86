"""The API as the commands see it: every refusal is a ``CommandError`` with one sentence."""

import contextlib
import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

import httpx

from cli.errors import CommandError

Body = dict[str, Any]
_TIMEOUT = httpx.Timeout(30.0, write=300.0, read=300.0)  # seconds; a big upload is acknowledged only when it is stored


class ServerAwayError(CommandError):
    """Nobody answers at that address, or not at the moment."""

    code = "server_away"


class RefusedError(CommandError):
    """The server answered with an error."""

    code = "refused"


class Client:
    """One server. Use it as a context manager."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.url = _checked(url)
        # A proxy of the environment cannot reach what listens on this machine's loopback.
        trust = not _is_loopback(self.url)
        self._http = httpx.Client(base_url=self.url, transport=transport, timeout=_TIMEOUT, trust_env=trust)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, file: BinaryIO, options: Mapping[str, str]) -> Body:
        """Send a file as it is read, never the whole of it in memory; returns the task. ``options``: the query."""
        return self._json("POST", "/api/v1/tasks", params=options, content=file)

    def task(self, task_id: str) -> Body:
        """The task as it stands."""
        return self._json("GET", _path(task_id))

    def tasks(self, *, status: str | None, limit: int) -> list[Body]:
        """The newest tasks."""
        query = {"limit": str(limit)} | ({"status": status} if status else {})
        found: list[Body] = self._json("GET", "/api/v1/tasks", params=query)["tasks"]
        return found

    def cancel(self, task_id: str) -> Body:
        """Stop it."""
        return self._json("POST", _path(task_id, "cancel"))

    def retry(self, task_id: str) -> Body:
        """Try its failed chunks again."""
        return self._json("POST", _path(task_id, "retry"))

    def delete(self, task_id: str) -> None:
        """Remove it and all that belongs to it."""
        with self._sent("DELETE", _path(task_id)):
            pass

    def transcript(self, task_id: str, form: str) -> Iterator[bytes]:
        """The transcript in the given format, as it comes in."""
        with self._sent("GET", _path(task_id, "transcript"), params={"format": form}) as answer:
            yield from answer.iter_bytes()

    def is_ready(self) -> bool:
        """Whether the server can take work now."""
        try:
            return self._http.get("/readyz", timeout=2.0).is_success
        except httpx.HTTPError:
            return False

    def _json(self, method: str, path: str, **request: Any) -> Body:
        with self._sent(method, path, **request) as answer:
            answer.read()
            try:
                body: Body = answer.json()
            except ValueError as error:
                raise RefusedError(
                    f"{self.url} answers, but it is not Parascribe. Give its address with --url."
                ) from error
            return body

    @contextlib.contextmanager
    def _sent(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:
        try:
            with self._http.stream(method, path, **request) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                yield answer
        except httpx.TransportError as error:
            raise ServerAwayError(_away(self.url, error)) from error


def _path(task_id: str, rest: str = "") -> str:
    if not task_id.replace("-", "").replace("_", "").isalnum():
        raise CommandError(f"{task_id!r} is not a task id. `parascribe list` shows them.")
    return f"/api/v1/tasks/{task_id}" + (f"/{rest}" if rest else "")


def _away(url: str, error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectError):
        return (
            f"Nobody answers at {url}. Start the service with `parascribe serve` (or `make serve`), "
            "or give its address with --url."
        )
    return f"The connection to {url} broke ({error or type(error).__name__}). Try again: nothing accepted is lost."


def _refusal(answer: httpx.Response) -> CommandError:
    """One sentence from an ``application/problem+json`` body; without one, what the status says."""
    try:
        problem = answer.json()
        sentence = f"{problem['detail']} [{problem['code']}]"
    except (ValueError, KeyError, TypeError):
        sentence = f"The server answered {answer.status_code} {answer.reason_phrase} to {answer.request.url}."
    if answer.status_code in {502, 503, 504}:
        return ServerAwayError(sentence)
    return RefusedError(sentence)


def _checked(url: str) -> str:
    with contextlib.suppress(httpx.InvalidURL):
        parsed = httpx.URL(url)
        if parsed.scheme in {"http", "https"} and parsed.host:
            return url.rstrip("/")
    raise CommandError(f"{url} is not the address of a server. Give one such as http://127.0.0.1:8000.")


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False


def opened(path: Path) -> BinaryIO:
    """The file to send. Raises ``CommandError`` where it cannot be read."""
    try:
        return path.open("rb")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
