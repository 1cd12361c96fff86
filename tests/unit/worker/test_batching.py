"""The size of batches that is best here is found by trying, with the work itself."""

from dataclasses import replace

import pytest

from core.config import Settings
from core.models import Options
from worker.batching import ENOUGH, TIMES, TRIED, BatchSize, Finding, Measured

USUAL = Options(model="base", beam_size=2)
ENGLISH = replace(USUAL, language="en")


def trial(*, slots: int = 2) -> BatchSize:
    """One that begins, with its slots warm."""
    sizes = BatchSize(of=USUAL, slots=slots)
    for _ in range(slots):
        told(sizes, 8, 99.0)
    return sizes


def told(sizes: BatchSize, windows: int, rate: float, options: Options = ENGLISH, **changes: float) -> Finding | None:
    """A batch of full windows took ``rate`` seconds for a second of audio, beside slots that were all at work."""
    audio = changes.get("audio_seconds", 25.0 * windows)
    idle = changes.get("idle_seconds", 0.0)
    took = Measured(windows=windows, audio_seconds=audio, work_seconds=rate * audio, idle_seconds=idle)
    return sizes.note(options, took)


def tried(sizes: BatchSize, *, times: int = TIMES, **rates: float) -> Finding | None:
    """Each size so many times, in turns; the rates as ``of_8=0.02``."""
    found = [told(sizes, size, rates[f"of_{size}"]) for _ in range(times) for size in TRIED]
    return found[-1]


def all_but_the_last(sizes: BatchSize) -> BatchSize:
    """One more batch of 4, and it is settled."""
    tried(sizes, times=TIMES - 1, of_8=1, of_4=1, of_6=1)
    told(sizes, 8, 1.0)
    told(sizes, 6, 1.0)
    return sizes


def settled(sizes: BatchSize) -> int | None:
    """The size that is used from now on; None while sizes are tried."""
    following = {sizes.next(ENGLISH) for _ in TRIED}
    return following.pop() if len(following) == 1 else None


def test_it_begins_with_the_size_that_the_settings_say_and_takes_turns():
    """So a machine that is slower by the minute is slower for all of them."""
    sizes = BatchSize(of=USUAL, slots=2)
    assert [sizes.next(ENGLISH) for _ in range(6)] == [8, 4, 6, 8, 4, 6]
    assert Settings(_env_file=None).batch == TRIED[0]


def test_what_cannot_be_compared_takes_nobodys_turn():
    """Another model, or a prompt: they have the first size, and the next that counts has the size whose turn it is."""
    sizes = BatchSize(of=USUAL, slots=2)
    assert sizes.next(ENGLISH) == 8
    others = [replace(USUAL, model="large-v3"), replace(USUAL, prompt="Names: Ada."), replace(USUAL, beam_size=5)]
    assert [sizes.next(options) for options in others] == [8, 8, 8]
    assert sizes.next(ENGLISH) == 4


def test_what_finds_nothing_does_not_go_on_for_ever():
    """Where files are short no batch tells anything: after a while the first size stays."""
    sizes = BatchSize(of=USUAL, slots=2)
    for _ in range(ENOUGH):
        sizes.next(ENGLISH)
    assert settled(sizes) == TRIED[0] == sizes.most


@pytest.mark.parametrize(("rates", "best"), [((10, 8, 9), 4), ((10, 11, 9), 6), ((10, 11, 12), 8), ((10, 9, 8), 6)])
def test_the_fastest_is_kept(rates, best):
    """For good, and told of once."""
    sizes = trial()
    found = tried(sizes, of_8=rates[0], of_4=rates[1], of_6=rates[2])
    assert found == Finding(size=best, seconds=dict(zip(TRIED, rates, strict=True)))
    assert settled(sizes) == best
    assert tried(sizes, of_8=9, of_4=9, of_6=1) is None
    assert tried(sizes, of_8=9, of_4=1, of_6=9) is None
    assert settled(sizes) == best


@pytest.mark.parametrize(("rate", "best"), [(0.98, 8), (0.969, 4)])
def test_another_size_has_to_be_better_by_three_per_cent(rate, best):
    """Less may be chance."""
    assert tried(trial(), of_8=1.0, of_4=rate, of_6=2.0).size == best


def test_it_takes_several_measurements_of_each():
    """One fewer does not do."""
    sizes = trial()
    assert tried(sizes, times=TIMES - 1, of_8=1, of_4=1, of_6=1) is None
    assert settled(sizes) is None
    assert tried(sizes, times=1, of_8=1, of_4=1, of_6=1) is not None


def test_the_median_counts():
    """One batch in which something else ran does not decide."""
    sizes = trial()
    tried(sizes, times=1, of_8=1.0, of_4=50.0, of_6=1.0)
    assert tried(sizes, times=TIMES - 1, of_8=1.0, of_4=0.9, of_6=1.0).size == 4


@pytest.mark.parametrize(
    ("windows", "options", "changes"),
    [
        (3, ENGLISH, {}),  # what was there
        (18, ENGLISH, {}),  # a file's end
        (4, ENGLISH, {"idle_seconds": 11.0}),  # a slot that had nothing to do for a while
        (4, ENGLISH, {"audio_seconds": 4 * 14.0}),  # notes and the ends of files
        (4, replace(ENGLISH, model="tiny.en"), {}),
        (4, replace(ENGLISH, beam_size=5), {}),
        (4, replace(ENGLISH, task="translate"), {}),
        (4, replace(ENGLISH, prompt="names"), {}),
        (4, replace(ENGLISH, temperature=0.5), {}),
    ],
)
def test_what_is_no_example_says_nothing(windows, options, changes):
    """However fast it was."""
    sizes = all_but_the_last(trial())
    assert told(sizes, windows, 1.0, options, **changes) is None
    assert settled(sizes) is None
    assert told(sizes, 4, 1.0) is not None


@pytest.mark.parametrize(("slots", "idle_seconds"), [(1, 0.0), (2, 9.0), (5, 39.0)])
def test_a_slot_that_only_takes_its_next_batch_is_at_work(slots, idle_seconds):
    """Up to a tenth of the time of each other slot, here of 100 s; a single one has none beside it."""
    sizes = all_but_the_last(trial(slots=slots))
    assert told(sizes, 4, 1.0, idle_seconds=idle_seconds) is not None


def test_the_language_does_not_matter():
    """Nobody has to speak the same one for a whole trial."""
    sizes = trial()
    tried(sizes, times=TIMES - 1, of_8=1, of_4=1, of_6=1)
    found = [told(sizes, size, 1.0, replace(USUAL, language=code)) for size, code in zip(TRIED, "abc", strict=True)]
    assert found[-1] is not None


@pytest.mark.parametrize("slots", [3, 12])
def test_the_first_batch_of_each_slot_is_not_counted(slots):
    """It also pays for what the next ones find in memory."""
    sizes = BatchSize(of=USUAL, slots=slots)
    assert tried(sizes, times=slots // len(TRIED), of_8=99, of_4=99, of_6=99) is None
    found = tried(sizes, of_8=1, of_4=1, of_6=1)
    assert found.seconds == dict.fromkeys(TRIED, 1.0)


def test_no_size_is_measured_ahead_of_the_others():
    """Small batches come and go while large ones run: of all sizes the same hours count."""
    sizes = trial()
    for _ in range(9):
        told(sizes, 4, 1.0)
    assert tried(sizes, of_8=5.0, of_4=9.0, of_6=5.0).seconds[4] == 9.0


@pytest.mark.parametrize("size", [1, 4, 8, 16, 64])
def test_a_size_that_is_given_never_changes(size):
    """Whatever the batches take."""
    sizes = BatchSize(of=USUAL, slots=1, settled=size)
    for _ in range(3):
        assert tried(sizes, of_8=9, of_4=1, of_6=9) is None
        assert (settled(sizes), sizes.most) == (size, size)


def test_there_has_to_be_room_for_the_largest_that_may_be_tried():
    """Until it is known which one stays."""
    sizes = trial()
    assert sizes.most == 8
    tried(sizes, of_8=9, of_4=1, of_6=9)
    assert sizes.most == 4
