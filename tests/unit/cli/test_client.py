"""The client of the API."""

import io

import httpx
import pytest

from cli.client import Client, RefusedError, ServerAwayError
from cli.errors import CommandError
from tests.unit.cli.bodies import task


def client(answer) -> Client:
    """A client whose every request gets to ``answer``."""
    return Client("http://server.test/", transport=httpx.MockTransport(answer))


def test_upload_is_streamed_with_its_options_in_the_query():
    """The body is the file itself, its length is told beforehand, and at no time is all of it in memory."""
    seen = {}

    class Counting(io.BytesIO):
        largest = 0

        def read(self, size=-1):
            data = super().read(size)
            Counting.largest = max(Counting.largest, len(data))
            return data

    def answer(request: httpx.Request) -> httpx.Response:
        seen.update(url=str(request.url), length=request.headers["content-length"], body=request.read())
        return httpx.Response(202, json=task())

    data = bytes(1_000_000)
    with client(answer) as api:
        assert api.submit(Counting(data), {"filename": "a b.mp3", "language": "de"}) == task()
    assert seen["url"] == "http://server.test/api/v1/tasks?filename=a+b.mp3&language=de"
    assert (seen["length"], seen["body"]) == ("1000000", data)
    assert Counting.largest <= 1 << 17


def test_a_problem_becomes_its_sentence_and_code():
    """What the user reads is the server's own sentence."""
    problem = {"detail": "There is no task abc.", "code": "task_not_found"}
    answer = httpx.Response(404, json=problem, headers={"content-type": "application/problem+json"})
    with client(lambda _: answer) as api, pytest.raises(RefusedError) as caught:
        api.task("abc")
    assert caught.value.message == "There is no task abc. [task_not_found]"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'"text"'])
def test_an_error_without_a_problem_is_told_too(body):
    """A proxy's error page does not end in a stack trace."""
    with client(lambda _: httpx.Response(403, content=body)) as api, pytest.raises(RefusedError, match="403"):
        api.task("abc")


def test_an_answer_that_is_no_json_says_that_this_is_no_parascribe():
    """Another program on that port is recognised."""
    with (
        client(lambda _: httpx.Response(200, text="hello")) as api,
        pytest.raises(RefusedError, match="not Parascribe"),
    ):
        api.task("abc")


def test_a_server_that_is_not_there_says_how_to_start_it():
    """The sentence names the address and the command."""

    def refuse(request):
        raise httpx.ConnectError("refused", request=request)

    with client(refuse) as api, pytest.raises(ServerAwayError, match=r"http://server\.test.*parascribe serve"):
        api.tasks(status=None, limit=5)


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://server.test", "http://:x"])
def test_an_address_that_is_none_is_told(url):
    """No stack trace for a typing error."""
    with pytest.raises(CommandError, match="address"), Client(url) as api:
        api.task("abc")


def test_a_task_id_cannot_reach_other_paths():
    """An id with a slash in it is refused before anything is sent."""
    with client(lambda _: pytest.fail("sent")) as api, pytest.raises(CommandError, match="not a task id"):
        api.delete("../../readyz")


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch):
    """HTTP_PROXY set and NO_PROXY forgotten must not make a local service unreachable."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Client("http://127.0.0.1:8000") as here, Client("http://server.test") as there:
        assert not here._http._mounts
        assert there._http._mounts


def test_a_transcript_that_breaks_off_is_an_error():
    """A text cut short by a lost connection is not taken for the whole."""

    def broken():
        yield b"first"
        raise httpx.RemoteProtocolError("closed early")

    with client(lambda _: httpx.Response(200, content=broken())) as api, pytest.raises(ServerAwayError, match="broke"):
        list(api.transcript("abc", "text"))
