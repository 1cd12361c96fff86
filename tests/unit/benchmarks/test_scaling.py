"""The benchmark of slots: what is measured, and what is made of it."""

import pytest

from benchmarks.engines.trial import Run
from benchmarks.scaling import ladder, summarise


def run_of(speed: float, megabytes: float) -> Run:
    """One run with these figures."""
    return Run(
        contender="parascribe", wall_seconds=1.0, cpu_seconds=1.0, realtime_factor=speed, wer=0.05, peak_mb=megabytes
    )


@pytest.mark.parametrize(("top", "steps"), [(1, [1]), (4, [1, 2, 4]), (6, [1, 2, 4, 6])])
def test_slots_are_doubled_up_to_the_top(top: int, steps: list[int]) -> None:
    """Which is measured itself."""
    assert ladder(top) == steps


def test_ratios_are_medians_of_those_of_each_turn() -> None:
    """Efficiency counts the cores: slots beyond them cannot be faster."""
    runs = {slots: [run_of(speed * how, mb) for how in (0.5, 1.0, 0.8)] for slots, speed, mb in
            [(1, 10.0, 100.0), (2, 19.0, 110.0), (4, 20.0, 130.0)]}  # fmt: skip
    found = summarise(runs, 60.0, 2)["slots"]
    assert (found["2"]["speed"], found["2"]["efficiency"], found["2"]["memory"]) == (1.9, 0.95, 1.1)
    assert (found["4"]["speed"], found["4"]["efficiency"], found["4"]["memory"]) == (2.0, 1.0, 1.3)


def test_a_machine_that_slows_down_is_as_slow_for_all() -> None:
    """Medians of speeds would set the second turn of one against the third of the other."""
    runs = {
        1: [run_of(speed, 1.0) for speed in (10.0, 6.0, 5.0)],
        2: [run_of(speed, 1.0) for speed in (19.0, 11.4, 9.0)],
    }
    found = summarise(runs, 60.0, 2)["slots"]
    assert found["2"]["speed"] == 1.9
    assert found["2"]["realtime_factor"] == 11.4
