"""The commands as users type them, against a server that gives fixed answers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cli import main as command
from tests.unit.cli.bodies import COMPLETED, PARTIAL, RUNNING, task


class FakeServer(ThreadingHTTPServer):
    """Answers by method and path; several answers are given in turn, the last for ever."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[tuple[int, object]]] = {}
        self.asked: list[str] = []
        self.uploads: list[bytes] = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def gives(self, request, *answers):
        self.answers[request] = list(answers)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    def answer(self):
        path = self.path.partition("?")[0]
        self.server.asked.append(f"{self.command} {self.path}")
        if length := int(self.headers.get("content-length", 0)):
            self.server.uploads.append(self.rfile.read(length))
        answers = self.server.answers[f"{self.command} {path}"]
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[FakeServer]:
    """A server that the commands find by PARASCRIBE_URL."""
    with FakeServer() as fake:
        thread = threading.Thread(target=fake.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("PARASCRIBE_URL", fake.url)
        yield fake
        fake.shutdown()
        thread.join()


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs ``parascribe`` with these arguments; gives exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["parascribe", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command.main()
        out, err = capfd.readouterr()
        return ended.value.code, out, err

    return run


@pytest.fixture
def talk(tmp_path):
    """A file to send."""
    path = tmp_path / "talk.mp3"
    path.write_bytes(b"sound")
    return path


def serves_one_task(server, *states, text="Hello.\n"):
    """An upload, then these states, then a transcript."""
    server.gives("POST /api/v1/tasks", (202, task()))
    server.gives("GET /api/v1/tasks/7b0c1b5e", *((200, state) for state in states))
    server.gives("GET /api/v1/tasks/7b0c1b5e/transcript", (200, text))


def test_transcribe_sends_follows_and_prints(server, run, talk):
    """The transcript alone is on standard output; progress and account are on standard error, a line a change."""
    serves_one_task(server, RUNNING, COMPLETED)
    code, out, err = run("transcribe", talk, "--language", "de", "--word-timestamps")
    assert (code, out) == (0, "Hello.\n")
    assert "processing 3/9 chunks 33% 41.2x real time" in err
    assert "110.0 s transcribed" in err
    assert server.uploads == [b"sound"]
    query = "filename=talk.mp3&language=de&task=transcribe&word_timestamps=true"
    assert server.asked[0] == f"POST /api/v1/tasks?{query}"


def test_transcribe_writes_a_file_in_the_format_asked_for(server, run, talk, tmp_path):
    """--format goes to the server, --output to the disk, nothing to standard output."""
    serves_one_task(server, COMPLETED, text="1\n")
    code, out, _ = run("transcribe", talk, "--format", "srt", "--output", tmp_path / "talk.srt")
    assert (code, out, (tmp_path / "talk.srt").read_text()) == (0, "", "1\n")
    assert server.asked[-1].endswith("transcript?format=srt")


def test_a_partial_task_prints_its_text_and_fails(server, run, talk):
    """What there is is printed, what is missing is told, and scripts notice."""
    serves_one_task(server, PARTIAL)
    code, out, err = run("transcribe", talk)
    assert (code, out) == (1, "Hello.\n")
    assert "28.0 s of the audio could not be transcribed" in err


def test_a_failed_task_prints_its_reason_alone(server, run, talk):
    """No empty transcript is printed."""
    error = {"code": "audio_unreadable", "message": "No audio in it."}
    serves_one_task(server, task(status="failed", error=error))
    code, out, err = run("transcribe", talk)
    assert (code, out) == (1, "")
    assert "No audio in it. [audio_unreadable]" in err


def test_a_refused_upload_is_one_sentence(server, run, talk):
    """The server's own, exit code 1, no stack trace."""
    server.gives("POST /api/v1/tasks", (422, {"detail": "There is no language xx.", "code": "invalid_request"}))
    code, out, err = run("transcribe", talk, "--language", "xx")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == "There is no language xx. [invalid_request]"
    assert "Traceback" not in err


def test_no_server_says_how_to_start_one(run, talk):
    """Exit code 1 and the command to type."""
    code, _, err = run("transcribe", talk, "--url", "http://127.0.0.1:1")
    assert code == 1
    assert "parascribe serve" in err


def test_the_address_comes_from_the_settings(monkeypatch, run):
    """Without --url the commands look where `serve` listens with the same settings."""
    monkeypatch.delenv("PARASCRIBE_URL", raising=False)
    monkeypatch.setenv("API_HOST", "0.0.0.0")
    monkeypatch.setenv("API_PORT", "1")
    assert "http://127.0.0.1:1." in run("list")[2]


def test_a_file_that_is_not_there_is_told(run):
    """Before anything is sent; exit code 2 as for every wrong argument."""
    code, _, err = run("transcribe", "nowhere.mp3")
    assert code == 2
    assert "nowhere.mp3" in err


def test_status_and_list_show_tasks(server, run):
    """The id, the file and how far it is."""
    server.gives("GET /api/v1/tasks/7b0c1b5e", (200, RUNNING))
    server.gives("GET /api/v1/tasks", (200, {"tasks": [RUNNING], "next_cursor": None}))
    code, out, _ = run("status", "7b0c1b5e")
    assert code == 0
    assert "talk.mp3" in out
    assert "processing 3/9 chunks" in out
    assert json.loads(run("status", "7b0c1b5e", "--json")[1]) == RUNNING
    code, out, _ = run("list", "--status", "processing", "--limit", "3")
    assert code == 0
    assert "7b0c1b5e" in out
    assert server.asked[-1] == "GET /api/v1/tasks?limit=3&status=processing"


@pytest.mark.parametrize(
    ("name", "request_line"),
    [
        ("cancel", "POST /api/v1/tasks/7b0c1b5e/cancel"),
        ("retry", "POST /api/v1/tasks/7b0c1b5e/retry"),
        ("delete", "DELETE /api/v1/tasks/7b0c1b5e"),
    ],
)
def test_commands_on_a_task_ask_for_what_they_say(server, run, name, request_line):
    """One request, and its refusal is told."""
    server.gives(request_line, (200, RUNNING), (409, {"detail": "It has ended.", "code": "task_state_conflict"}))
    assert run(name, "7b0c1b5e")[0] == 0
    assert server.asked == [request_line]
    code, _, err = run(name, "7b0c1b5e")
    assert code == 1
    assert "It has ended. [task_state_conflict]" in err
