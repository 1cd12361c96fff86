"""A check that cannot fail checks nothing: each invariant is broken here once."""

from dataclasses import replace

import pytest

from benchmarks.chaos.invariants import Left, SeenChunk, SeenTask, check_twice, judge
from benchmarks.chaos.recordings import Recording
from benchmarks.chaos.report import Outcome, percentile, summary

SPANS = ((0.0, 4.0), (6.0, 9.0))
SEGMENTS = ((0.0, 4.0, " one"), (6.0, 9.0, " two"))
RECORDING = Recording(number=0, data=b"", windows=("a", "b"), spans=SPANS, segments=SEGMENTS)
CHUNKS = [
    SeenChunk(index=index, state="done", attempts=1, start=start, end=end) for index, (start, end) in enumerate(SPANS)
]
GOOD = SeenTask(
    task_id="t",
    recording=RECORDING,
    status="completed",
    chunks_total=2,
    duration=10.0,
    covered=10.0,
    chunks=CHUNKS,
    segments=SEGMENTS,
)


def test_a_run_without_faults_is_not_found_fault_with():
    """Nothing lost, doubled or broken."""
    verdict = judge([GOOD], Left())
    assert (verdict.lost, verdict.duplicated, verdict.broken) == (0, 0, [])


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"status": None}, "gone"),
        ({"status": "processing"}, "never ended"),
        ({"status": "failed"}, "is failed"),
        ({"chunks": CHUNKS[:1]}, "other chunks"),
        ({"chunks": [*CHUNKS, CHUNKS[1]]}, "other chunks"),
        ({"chunks_total": 3}, "other chunks"),
        ({"chunks": [CHUNKS[0], replace(CHUNKS[1], start=6.5)]}, "other places"),
        ({"chunks": [CHUNKS[0], replace(CHUNKS[1], state="failed")]}, "not done"),
        ({"covered": 9.0}, "accounts for"),
        ({"segments": SEGMENTS[::-1]}, "out of order"),
        ({"segments": [*SEGMENTS, (9.5, 10.5, " three")]}, "outside"),
        ({"segments": [SEGMENTS[0], *SEGMENTS]}, "twice"),
        ({"segments": [SEGMENTS[0], (6.0, 9.0, " other")]}, "quiet run"),
        ({"segments": SEGMENTS[:1]}, "quiet run"),
    ],
)
def test_what_is_wrong_with_a_task_is_told(changes, word):
    """By a sentence that names it."""
    broken = judge([replace(GOOD, **changes)], Left()).broken
    assert any(word in sentence for sentence in broken), broken


@pytest.mark.parametrize("kind", ["blobs", "parts", "scratch", "claims", "open_tasks", "messages"])
def test_whatever_is_left_is_told(kind):
    """Of every kind."""
    assert judge([GOOD], Left(**{kind: ["x"]})).broken


def test_lost_counts_tasks_and_chunks():
    """A task that is gone is one, a completed one counts what it lacks."""
    tasks = [replace(GOOD, status=None), replace(GOOD, chunks=CHUNKS[:1]), GOOD]
    assert judge(tasks, Left()).lost == 2


def test_duplicated_counts_chunks_and_segments():
    """Beyond the first of each."""
    tasks = [replace(GOOD, chunks=[*CHUNKS, CHUNKS[0]]), replace(GOOD, segments=[*SEGMENTS, *SEGMENTS])]
    assert judge(tasks, Left()).duplicated == 3


def test_an_upload_that_became_two_tasks_is_told():
    """The same task listed twice is one."""
    assert check_twice([("a", "1"), ("a", "1"), ("b", "2")]) == []
    assert len(check_twice([("a", "1"), ("a", "2")])) == 1


def test_one_broken_scenario_breaks_the_summary():
    """And is named."""
    closing = summary([Outcome(scenario="good"), Outcome(scenario="bad", ok=False, lost=2)])
    assert (closing["ok"], closing["broken"], closing["lost"]) == (False, ["bad"], 2)


def test_percentiles_are_values_that_were_seen():
    """The least one that so many do not exceed."""
    assert percentile([], 0.5) is None
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(number) for number in range(1, 101)], 0.99) == 99.0
