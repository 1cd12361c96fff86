"""The tables of legal moves."""

from core.states import (
    CHUNK_ENDED,
    CHUNK_MOVES,
    TASK_ENDED,
    TASK_MOVES,
    ChunkState,
    TaskStatus,
    chunk_sources,
    task_sources,
)


def test_every_state_has_its_moves():
    """No state is forgotten."""
    assert set(TASK_MOVES) == set(TaskStatus)
    assert set(CHUNK_MOVES) == set(ChunkState)


def test_what_is_done_stays_done():
    """Nothing leads away from completed, cancelled and done."""
    assert TASK_MOVES[TaskStatus.COMPLETED] == TASK_MOVES[TaskStatus.CANCELLED] == frozenset()
    assert CHUNK_MOVES[ChunkState.DONE] == CHUNK_MOVES[ChunkState.CANCELLED] == frozenset()


def test_everything_unended_can_end_in_every_bad_way():
    """Whatever happens, a task can be failed or cancelled, a chunk likewise."""
    for status in set(TaskStatus) - TASK_ENDED:
        assert {TaskStatus.FAILED, TaskStatus.CANCELLED} <= TASK_MOVES[status]
    for state in set(ChunkState) - CHUNK_ENDED:
        assert {ChunkState.FAILED, ChunkState.CANCELLED} <= CHUNK_MOVES[state]


def test_sources_are_the_table_read_backwards():
    """The condition of a write names exactly the states that may move there."""
    assert task_sources(TaskStatus.PROCESSING) == ["failed", "partial", "preparing"]
    assert chunk_sources(ChunkState.DONE) == ["running"]
