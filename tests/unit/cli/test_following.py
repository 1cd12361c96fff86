"""Following a task."""

import pytest

from cli.client import RefusedError, ServerAwayError
from cli.following import account, follow, verdict
from tests.unit.cli.bodies import COMPLETED, PARTIAL, RUNNING, task


class Server:
    """Gives these answers in turn, the last for ever; an exception is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.now = 0.0

    def task(self, task_id):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pause(self, seconds):
        self.now += seconds


def followed(server: Server):
    """The final task and everything that was reported."""
    reports = []
    final = follow(server, task(), reports.append, patience_seconds=60, pause=server.pause, clock=lambda: server.now)
    return final, reports


def test_every_state_is_reported_up_to_the_end():
    """The first is what the upload said, the last is the end."""
    final, reports = followed(Server(RUNNING, COMPLETED))
    assert final == COMPLETED
    assert reports == [task(), RUNNING, COMPLETED]


def test_a_server_that_starts_again_is_waited_for():
    """Some refused connections in between do not end the command."""
    away = ServerAwayError("away")
    final, _ = followed(Server(RUNNING, away, away, away, COMPLETED))
    assert final == COMPLETED


def test_a_server_that_stays_away_is_given_up():
    """After its patience the command ends with the last reason."""
    server = Server(ServerAwayError("away"))
    with pytest.raises(ServerAwayError):
        followed(server)
    assert 60 < server.now < 65


def test_a_task_that_was_deleted_meanwhile_ends_at_once():
    """A refusal is no absence."""
    server = Server(RefusedError("gone"))
    with pytest.raises(RefusedError):
        followed(server)
    assert server.now < 1


def test_verdicts():
    """Only a completed task passes; the others say why and what to do."""
    assert verdict(COMPLETED) is None
    assert "28.0 s" in verdict(PARTIAL).message
    assert "parascribe retry 7b0c1b5e" in verdict(PARTIAL).message
    failed = task(status="failed", error={"code": "audio_unreadable", "message": "No audio in it."})
    assert verdict(failed).message == "The task failed: No audio in it. [audio_unreadable]"
    assert verdict(task(status="cancelled")).message == "The task was cancelled."


def test_the_account_adds_up():
    """All three shares, the whole, and the speed."""
    expected = "82.0 s transcribed + 10.0 s silent + 28.0 s failed = 120.0 s of audio; 40.0x real time"
    assert account(PARTIAL) == expected
