"""The benchmark of memory: what is made of the figures."""

from benchmarks.memory import Peak, summarise


def test_lengths_are_compared_with_two_slots_and_slots_with_the_shortest() -> None:
    """Whatever the order in which they were measured."""
    figures = [(600, 2, 330.0), (10, 2, 300.0), (60, 2, 310.0), (10, 1, 200.0), (10, 4, 250.0)]
    peaks = [Peak(minutes=minutes, slots=slots, megabytes=megabytes) for minutes, slots, megabytes in figures]
    summary = summarise(peaks)
    assert (summary["length_ratio"], summary["slots_ratio"]) == (1.1, 1.25)
