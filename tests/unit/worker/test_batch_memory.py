"""What was found about batches is kept for the next start, where it was found."""

import json

import pytest

from core import config
from core.config import Settings
from core.models import Options
from worker import batch_memory
from worker.batch_memory import remember, usual_batch
from worker.batching import TIMES, TRIED, Finding, Measured

USUAL = Options(model="base", beam_size=2)
FOUR = Finding(size=4, seconds={8: 0.02, 4: 0.015, 6: 0.03})


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Settings of a worker, with changes; it has eight cores."""
    monkeypatch.setattr(config, "usable_cores", lambda: 8)
    base = {"data_dir": tmp_path / "data", "max_parallel_workers": 2}
    return lambda **changes: Settings(_env_file=None, **{**base, **changes})


def kept(settings):
    """The files in the folder."""
    return sorted((settings.data_dir / "cache").iterdir())


def is_open(settings):
    """Whether sizes would be tried."""
    sizes = usual_batch(settings)
    return len({next_of(sizes, settings) for _ in TRIED}) > 1


def next_of(sizes, settings):
    """For a batch of the default model with the usual beam."""
    return sizes.next(Options(model=settings.default_whisper_model, beam_size=settings.beam_size))


def test_the_next_worker_begins_with_what_was_found(told):
    """And tries nothing; the file can be read by people, too."""
    assert is_open(told())
    remember(told(), FOUR)
    assert (usual_batch(told()).next(USUAL), usual_batch(told()).most) == (4, 4)
    (place,) = kept(told())
    assert json.loads(place.read_text())["seconds"] == {"8": 0.02, "4": 0.015, "6": 0.03}


def test_it_is_told_once_with_its_figures(told, capsys, caplog):
    """Sizes, and seconds for each second of audio."""
    remember(told(), FOUR)
    said = caplog.text + "".join(capsys.readouterr())
    assert said.count("batch size settled") == 1
    assert "0.015" in said


@pytest.mark.parametrize(
    "changes",
    [
        {"default_whisper_model": "tiny.en"},
        {"max_parallel_workers": 3},
        {"device": "cuda"},
        {"encoder": "openvino"},
        {"decoder": "compiled"},
        {"compute_type": "float32"},
        {"beam_size": 5},
    ],
)
def test_other_circumstances_are_measured_anew(told, changes):
    """And kept beside the first."""
    remember(told(), FOUR)
    assert is_open(told(**changes))
    remember(told(**changes), Finding(size=6, seconds={}))
    here, there = told(), told(**changes)
    assert (next_of(usual_batch(here), here), next_of(usual_batch(there), there)) == (4, 6)


@pytest.mark.parametrize("name", ["processor", "versions"])
def test_another_processor_or_version_is_measured_anew(told, monkeypatch, name):
    """The folder may have moved to another machine, or the program may be a newer one."""
    remember(told(), FOUR)
    monkeypatch.setattr(batch_memory, name, lambda: ["another"] if name == "versions" else "another")
    assert is_open(told())


def test_a_file_of_other_circumstances_is_not_believed(told):
    """Whatever it is called."""
    remember(told(), FOUR)
    (place,) = kept(told())
    place.write_text(json.dumps({**json.loads(place.read_text()), "of": ["others"]}))
    assert is_open(told())


@pytest.mark.parametrize("size", [None, "4", 7, 4_000_000, True, [4]])
def test_a_size_that_was_never_tried_is_not_believed(told, size):
    """Somebody wrote in it."""
    remember(told(), FOUR)
    (place,) = kept(told())
    place.write_text(json.dumps({**json.loads(place.read_text()), "size": size}))
    assert is_open(told())


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"of": ', b"\xff\xfe", b'{"of": 1, "size": 4}'])
def test_a_broken_file_is_written_anew(told, data):
    """Whatever is in it."""
    remember(told(), FOUR)
    (place,) = kept(told())
    place.write_bytes(data)
    assert is_open(told())
    remember(told(), FOUR)
    assert usual_batch(told()).next(USUAL) == 4


def test_a_folder_that_cannot_be_made_is_no_error(told, tmp_path):
    """Then it is found at every start."""
    (tmp_path / "data").write_text("a file")
    remember(told(), FOUR)
    assert is_open(told())


def test_what_fails_leaves_nothing_behind(told):
    """And is no error."""
    remember(told(), FOUR)
    (place,) = kept(told())
    place.unlink()
    place.mkdir()  # cannot be replaced by a file
    (place / "in the way").touch()
    remember(told(), FOUR)
    assert kept(told()) == [place]
    assert is_open(told())


def test_a_reader_never_sees_half_of_it(told):
    """Several workers may share the folder: it is written beside, and takes the name when it is whole."""
    remember(told(), FOUR)
    (place,) = kept(told())
    written = place.stat().st_ino
    remember(told(), Finding(size=6, seconds={}))
    assert place.stat().st_ino != written


@pytest.mark.parametrize(
    ("changes", "size"), [({"batch_size": 16}, 16), ({"batch_size": 8}, 8), ({"use_parallel_transcription": False}, 1)]
)
def test_what_the_settings_say_is_never_changed(told, changes, size):
    """Neither by what is remembered nor by what batches take."""
    settings = told(**changes)
    remember(settings, FOUR)
    sizes = usual_batch(settings)
    for windows in TRIED * (TIMES + 2):
        took = Measured(windows=windows, audio_seconds=30.0 * windows, work_seconds=windows**2, idle_seconds=0.0)
        assert sizes.note(Options(model="base"), took) is None
    assert (sizes.next(USUAL), sizes.most) == (size, size)


@pytest.mark.parametrize(("slots", "size"), [(3, 5), (4, 4), (5, 3), (64, 1)])
def test_slots_that_share_cores_share_their_batches_too(told, monkeypatch, slots, size):
    """As many windows at once as one slot for each core has, so as much memory; there is nothing to compare."""
    monkeypatch.setattr(config, "usable_cores", lambda: 2)
    settings = told(max_parallel_workers=slots)
    assert (settings.crowded, settings.batch, is_open(settings)) == (True, size, False)
    assert usual_batch(settings).most == size
    assert told(max_parallel_workers=slots, batch_size=7).batch == 7


@pytest.mark.parametrize(("cards", "changes"), [(0, {"max_parallel_workers": 2}), (1, {"device": "auto"})])
def test_slots_with_a_core_or_a_card_each_have_whole_batches(told, monkeypatch, cards, changes):
    """A card does not share the cores."""
    monkeypatch.setattr(config, "usable_cores", lambda: 2)
    monkeypatch.setattr(config, "graphics_cards", lambda: cards)
    settings = told(**{"max_parallel_workers": 4, **changes})
    assert (settings.crowded, settings.batch, is_open(settings)) == (False, 8, True)


@pytest.mark.parametrize("decoder", ["auto", "ctranslate2", "compiled"])
def test_the_batches_of_the_default_model_are_compared(told, decoder):
    """By its name on disk, with the beam of the settings; it begins with 8, whichever decoder it is."""
    settings = told(default_whisper_model="turbo", beam_size=3, decoder=decoder)
    sizes, options = usual_batch(settings), Options(model="large-v3-turbo", beam_size=3, language="de")
    assert settings.batch == sizes.next(options) == 8
    for windows in TRIED * (TIMES + 1):
        took = Measured(
            windows=windows, audio_seconds=30.0 * windows, work_seconds=1.0 if windows == 6 else 2.0, idle_seconds=0.0
        )
        sizes.note(options, took)
    assert sizes.next(options) == sizes.next(options) == 6
