"""The fake engine's troubles, on request."""

import hashlib
import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from core.engines.fake import FakeEngine
from core.errors import EngineCancelledError, EngineError, InvalidRequestError
from core.models import SAMPLE_RATE, Options, Window

OPTIONS = Options(model="any", language="en")
WINDOW = Window(pcm=np.arange(SAMPLE_RATE, dtype=np.int16))
OTHER = Window(pcm=np.arange(1, SAMPLE_RATE, dtype=np.int16))
DIGEST = hashlib.sha256(WINDOW.pcm.tobytes()).hexdigest()


def engine(**spec: object) -> FakeEngine:
    return FakeEngine.from_json(json.dumps(spec))


def test_it_says_a_few_words_of_its_own() -> None:
    """Lower case words, one for each half second, the same in every process and for nobody else's window."""
    one, again, other = (FakeEngine().transcribe([w], OPTIONS)[0].text for w in (WINDOW, WINDOW, OTHER))
    assert one == again != other
    assert len(one.split()) == 2
    assert one == one.lower()


def test_salt_gives_it_other_words_at_the_same_times() -> None:
    """So that a result shows which engine made it; the same salt is the same words."""
    plain, salted, again = (engine(salt=salt).transcribe([WINDOW], OPTIONS)[0] for salt in ("", "a", "a"))
    assert plain.text != salted.text == again.text
    assert plain.text == FakeEngine().transcribe([WINDOW], OPTIONS)[0].text
    assert [(word.start, word.end) for word in plain.segments[0].words] == [
        (word.start, word.end) for word in salted.segments[0].words
    ]


def test_the_journal_has_one_line_for_each_window(tmp_path: Path) -> None:
    """Process id and SHA-256 of the PCM."""
    journal = tmp_path / "journal"
    engine(journal=str(journal)).transcribe([WINDOW, WINDOW], OPTIONS)
    lines = [line.split() for line in journal.read_text().splitlines()]
    assert [digest for _, digest in lines] == [DIGEST, DIGEST]
    assert all(int(pid) > 0 for pid, _ in lines)


def test_it_fails_on_the_windows_named_and_as_often_as_told(tmp_path: Path) -> None:
    """Attempts are counted in the journal, so a new engine goes on counting."""
    spec = {"journal": str(tmp_path / "j"), "fail": {"match": [DIGEST[:8]], "times": 2}}
    for _ in range(2):
        with pytest.raises(EngineError, match=DIGEST[:12]):
            engine(**spec).transcribe([WINDOW], OPTIONS)
    assert engine(**spec).transcribe([WINDOW, OTHER], OPTIONS)[0].text
    assert engine(fail={"match": [DIGEST[:8]]}).transcribe([OTHER], OPTIONS)[0].text


@pytest.mark.parametrize("name", ["SEGV", "ABRT", "KILL"])
def test_it_takes_its_process_down(tmp_path: Path, name: str) -> None:
    """By the signal asked for, and only as often as told: the next process lives."""
    spec = json.dumps({"journal": str(tmp_path / "j"), "crash": {"match": [DIGEST], "times": 1, "signal": name}})
    program = (
        "import sys, resource, numpy as np\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "from core.engines.fake import FakeEngine\n"
        "from core.models import Options, Window\n"
        "window = Window(pcm=np.arange(16000, dtype=np.int16))\n"
        "print(FakeEngine.from_json(sys.argv[1]).transcribe([window], Options(model='m', language='en'))[0].text)\n"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program, spec], capture_output=True, text=True, timeout=60, check=False)
        for _ in range(2)
    ]
    assert runs[0].returncode == -signal.Signals[f"SIG{name}"]
    assert runs[1].stdout.strip()


@pytest.mark.parametrize("spec", [{"hang": {}}, {"speed": 0.0001}])
def test_cancelling_ends_a_hang_and_a_slow_window(spec: dict[str, object]) -> None:
    """It looks up while it sleeps."""
    looked = threading.Event()

    def cancelled() -> bool:
        stop = looked.is_set()
        looked.set()
        return stop

    with pytest.raises(EngineCancelledError):
        engine(**spec).transcribe([WINDOW], OPTIONS, cancelled)


def test_it_keeps_what_it_leaks() -> None:
    """As much as was asked for, for each window."""
    leaky = engine(leak_mb=2)
    leaky.transcribe([WINDOW, OTHER], OPTIONS)
    assert sum(map(len, leaky._leaked)) == 4 * 1024 * 1024


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        '{"sped": 3}',
        '{"speed": -1}',
        '{"crash": {"signal": "HUP"}}',
        '{"fail": {"times": 1}}',
        '{"fail": {"match": "abc"}}',
    ],
)
def test_a_wrong_description_is_told(text: str) -> None:
    """Misspelt, impossible, or counting without a journal."""
    with pytest.raises(InvalidRequestError, match="FAKE_ENGINE"):
        FakeEngine.from_json(text)
