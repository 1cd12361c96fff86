"""Credits: shared by many, exact where a client asks for it, and cheap."""

import asyncio
from collections import Counter

import pytest
from pymongo import monitoring

from core.flow.credits import Credits
from core.flow.resources import open_resources
from core.models import Cut, WindowResult
from core.states import ChunkState
from tests.support.audio import speech, wav
from tests.support.tasks import chunks_of, claim_one, complete_one, ended, put_task, until, working

SECOND = 16_000
MOST_PER_CHUNK = 6.0  # about 3 with an instant engine, more on a busy machine


async def cut(resources, settings, count, **options):
    """A task with so many pending chunks."""
    task_id = await put_task(resources, settings, b"", **options)
    task = await resources.tasks.claim(task_id, "preparer")
    await resources.tasks.start_processing(task, "en", 0.9)
    cuts = [
        Cut(index=i, start=i * SECOND, end=(i + 1) * SECOND, core_start=i * SECOND, core_end=(i + 1) * SECOND)
        for i in range(count)
    ]
    await resources.chunks.add(task_id, cuts)
    await resources.tasks.note_cut(task, count)
    return task


def reads_of(resources) -> list[str]:
    """Ids of the tasks that are read from now on."""
    read, get = [], resources.tasks.get
    resources.tasks.get = lambda task_id: read.append(task_id) or get(task_id)
    return read


async def test_a_clients_limit_is_kept_by_many_processes(lasting, settings):
    """However many hand on at the same moment, and nothing stands still: the next look finds room."""
    for name in ("a", "b", "c"):
        await lasting.workers.register(name, slots=4, batch=4)
    task = await cut(lasting, settings, 40, max_parallel_workers=3)
    everybody = [Credits(lasting) for _ in range(6)]
    for _ in range(5):
        await asyncio.gather(*(credit.top_up(task, cut=40) for credit in everybody))
        assert await lasting.chunks.out(task.id) <= 3
    await everybody[0].top_up(task, cut=40)
    assert await lasting.chunks.out(task.id) == 3
    assert max(lasting.broker.published.values()) == 1


async def test_the_fleets_limit_is_overshot_by_little(lasting, settings):
    """By at most the limit for each process that counts at the same moment; ends of chunks bring it down again."""
    for name in ("a", "b", "c"):
        await lasting.workers.register(name, slots=1, batch=1)
    task = await cut(lasting, settings, 40)
    await asyncio.gather(*(Credits(lasting).top_up(task, cut=40) for _ in range(3)))
    out = await lasting.chunks.out(task.id)
    assert 6 <= out <= 3 * 6
    await Credits(lasting).top_up(task, cut=40)
    assert await lasting.chunks.out(task.id) == out
    assert max(lasting.broker.published.values()) == 1


async def test_who_asks_while_another_counts_is_served_by_one_count(lasting, settings):
    """Eight chunks of a task that end together cost two counts and not eight."""
    await lasting.workers.register("a", slots=1, batch=4)
    task = await cut(lasting, settings, 40)
    counted, out = [], lasting.chunks.out
    lasting.chunks.out = lambda task_id: counted.append(task_id) or out(task_id)
    credit = Credits(lasting)
    await asyncio.gather(*(credit.top_up(task, cut=40) for _ in range(8)))
    assert len(counted) <= 2
    assert await out(task.id) == 8


async def test_new_workers_raise_the_limit_soon(lasting, settings):
    """The list of workers is read again once in a while, not at every chunk."""
    await lasting.workers.register("a", slots=1, batch=1)
    task = await cut(lasting, settings, 1)
    credit = Credits(lasting, fleet_seconds=0.1)
    assert await credit.limit(task) == 2
    await lasting.workers.register("b", slots=2, batch=2)
    await until(lambda: credit.limit(task), lambda limit: limit == 10, seconds=2)


async def test_a_task_that_is_cut_to_its_end_is_not_read_again(lasting, settings):
    """Neither limit nor number of chunks changes any more; before that, both are read each time."""
    await lasting.workers.register("a", slots=1, batch=2)
    task = await cut(lasting, settings, 12)
    read, credit = reads_of(lasting), Credits(lasting)
    assert [(await credit.task(task.id)).prepared for _ in range(2)] == [False, False]
    await lasting.tasks.finish_cutting(task, chunks_total=12, duration_samples=12 * SECOND, silent_samples=0)
    for _ in range(3):
        await credit.go_on(task.id)
        assert await credit.has_more(await credit.task(task.id))
    assert (len(read), await lasting.chunks.out(task.id)) == (3, 4)
    assert await credit.task("unknown") is None


async def test_a_task_that_this_process_cuts_is_not_read(lasting, settings):
    """It is who tells how far that is. Others read it, and this one does so again afterwards."""
    await lasting.workers.register("a", slots=1, batch=2)
    task = await cut(lasting, settings, 12)
    read, credit = reads_of(lasting), Credits(lasting)
    with credit.cutting(task):
        await credit.go_on(task.id)
        assert (await lasting.chunks.queued(task.id)).keys() == set()
        await credit.top_up(task, cut=3)
        credit.note_cut(task.id, 5)  # two more, not announced yet
        await complete_one(lasting.chunks, await claim_one(lasting.chunks, task.id, 0, "a"), WindowResult(segments=()))
        await credit.go_on(task.id)
        assert (await lasting.chunks.queued(task.id)).keys() == {1, 2, 3, 4}
        credit.note_cut(task.id, 1)  # as a second attempt at cutting begins: what the first one stored is there
        assert (await credit.task(task.id)).chunks_cut == 5
        assert await credit.has_more(await credit.task(task.id))
        assert read == []
    await complete_one(lasting.chunks, await claim_one(lasting.chunks, task.id, 1, "a"), WindowResult(segments=()))
    await credit.go_on(task.id)
    assert (read, (await lasting.chunks.queued(task.id)).keys()) == ([task.id], {2, 3, 4, 5})


async def test_a_task_that_is_deleted_meanwhile_gets_no_more_credits_for_long(lasting, settings):
    """Of a task that is read only now and then it is known after a while."""
    await lasting.workers.register("a", slots=1, batch=2)
    task = await cut(lasting, settings, 12)
    await lasting.tasks.finish_cutting(task, chunks_total=12, duration_samples=12 * SECOND, silent_samples=0)
    now = [0.0]
    credit = Credits(lasting, fleet_seconds=10.0, clock=lambda: now[0])
    assert await credit.task(task.id) is not None
    await lasting.tasks.mark_deleted(task.id)
    now[0] = 10.0
    assert await credit.task(task.id) is None
    await credit.go_on(task.id)
    assert await lasting.chunks.out(task.id) == 0


async def test_what_is_pending_again_behind_the_last_credit_is_found(lasting, settings):
    """Given back by somebody else; without that, the next credit is looked for where the last one was handed out."""
    await lasting.workers.register("a", slots=1, batch=2)
    task = await cut(lasting, settings, 12)
    credit = Credits(lasting)
    await credit.look_back(task.id)
    await credit.top_up(task, cut=12)
    for index in range(4):
        claim = await claim_one(lasting.chunks, task.id, index, "a")
        await (
            complete_one(lasting.chunks, claim, WindowResult(segments=())) if index else lasting.chunks.give_back(claim)
        )
    starts, some = [], lasting.chunks.queue_some
    lasting.chunks.queue_some = lambda task_id, start, *rest: starts.append(start) or some(task_id, start, *rest)
    await credit.look_back(task.id)
    await credit.top_up(task, cut=12)
    assert (await lasting.chunks.queued(task.id)).keys() == {0, 4, 5, 6}
    await credit.look_back(task.id)
    await lasting.chunks.withdraw(task.id, [6])
    await credit.top_up(task, cut=12)
    assert (await lasting.chunks.queued(task.id)).keys() == {0, 4, 5, 7}
    assert starts == [0, 7]


@pytest.mark.parametrize(
    ("count", "limit", "counted", "kept_back"), [(3, None, False, False), (5, None, True, True), (3, 4, True, False)]
)
async def test_where_all_may_be_out_they_are_not_counted(
    lasting, settings, monkeypatch, count, limit, counted, kept_back
):
    """The fleet's limit is four. A client's is kept to exactly, whatever an earlier attempt has left out."""
    await lasting.workers.register("a", slots=1, batch=2)
    task = await cut(lasting, settings, count, max_parallel_workers=limit)
    asked, out = [], lasting.chunks.out
    monkeypatch.setattr(lasting.chunks, "out", lambda task_id: asked.append(task_id) or out(task_id))
    assert await Credits(lasting).top_up(task, cut=count) == kept_back
    assert (bool(asked), await out(task.id)) == (counted, min(count, 4))


async def test_where_all_are_announced_nobody_asks_how_many_are_out(lasting, settings, monkeypatch):
    """At every end of a batch; one that is pending again is announced as soon as somebody says so."""
    await lasting.workers.register("a", slots=1, batch=1)
    task = await cut(lasting, settings, 3)
    credit = Credits(lasting)
    await credit.top_up(task, cut=3)
    await complete_one(lasting.chunks, await claim_one(lasting.chunks, task.id, 0, "a"), WindowResult(segments=()))
    await credit.go_on(task.id)
    assert (await lasting.chunks.queued(task.id)).keys() == {1, 2}
    asked, out = [], lasting.chunks.out
    monkeypatch.setattr(lasting.chunks, "out", lambda task_id: asked.append(task_id) or out(task_id))
    await credit.go_on(task.id)
    assert asked == []
    await lasting.chunks.withdraw(task.id, [1])
    credit.look_again(task.id)
    await credit.go_on(task.id)
    assert (asked, (await lasting.chunks.queued(task.id)).keys()) == ([task.id], {1, 2})


class Operations(monitoring.CommandListener):
    """Counts what the database is asked."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()

    def started(self, event) -> None:
        """One command."""
        target = event.command.get(event.command_name)
        self.count[f"{event.command_name} {target}"] += 1

    def succeeded(self, event) -> None:
        """Nothing to note."""

    def failed(self, event) -> None:
        """Nothing to note."""


async def test_a_chunk_costs_few_questions_to_the_database(resources, settings):
    """From its cutting to its end, upkeep included. ``resources``: others, so that the test's own are not counted."""
    operations = Operations()
    calm = settings.model_copy(update={"sweep_seconds": 5.0, "heartbeat_seconds": 10.0, "batch_size": 4})
    monitoring.register(operations)
    try:
        async with open_resources(calm) as counted, working(calm, counted):
            before = Counter(operations.count)
            task_id = await put_task(counted, calm, wav(speech(600)))
            task = await ended(resources, task_id, 120)
            asked = operations.count - before
    finally:
        monitoring._LISTENERS.command_listeners.remove(operations)
    per_chunk = {name: round(count / task.chunks_total, 2) for name, count in asked.most_common()}
    assert sum(asked.values()) / task.chunks_total < MOST_PER_CHUNK, per_chunk


async def test_one_long_file_is_shared_by_all_workers(lasting, fake, tmp_path):
    """Each of three has at least a fifth of its chunks, from the time on that it is being cut."""
    settings = fake(speed=40).model_copy(update={"max_parallel_workers": 1, "batch_size": 2})
    owners: Counter[str] = Counter()
    early: Counter[str] = Counter()
    complete = lasting.chunks.complete

    async def noted(results):
        for chunk, _ in results:
            owners[chunk.owner] += 1
            if (await lasting.tasks.get(chunk.task_id)).chunks_total is None:
                early[chunk.owner] += 1
        return await complete(results)

    lasting.chunks.complete = noted
    async with working(settings, lasting), working(settings, lasting), working(settings, lasting):
        task_id = await put_task(lasting, settings, wav(speech(1500)))
        task = await ended(lasting, task_id, 120)
    assert {chunk.state for chunk in await chunks_of(lasting, task_id)} == {ChunkState.DONE}
    assert len(owners) == 3
    assert min(owners.values()) >= 0.2 * task.chunks_total, owners
    assert len(early) == 3, early


@pytest.fixture
def settings(settings):
    """Enough time for a busy machine."""
    return settings.model_copy(update={"dead_after_seconds": 5.0})
