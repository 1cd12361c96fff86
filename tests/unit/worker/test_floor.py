"""The floor that batches share."""

import asyncio

from worker.floor import Floor


async def _turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_is_alone_waits_for_those_inside_and_keeps_others_out():
    """In this order: the one inside leaves, the lonely one is there, the next one comes in."""
    floor, order, leave = Floor(), [], asyncio.Event()

    async def inside():
        async with floor.shared():
            await leave.wait()
            order.append("leaves")

    async def lonely():
        async with floor.alone():
            order.append("alone")
            await _turns()
            order.append("no longer alone")

    async def later():
        async with floor.shared():
            order.append("comes")

    async with asyncio.TaskGroup() as group:
        for play in (inside, lonely, later):
            group.create_task(play())
            await _turns()
        assert order == []
        leave.set()
    assert order == ["leaves", "alone", "no longer alone", "comes"]


async def test_two_who_are_alone_one_after_the_other_let_nobody_in_beside_the_second():
    """Who waits outside is told that it is open, and it is shut again before they are there."""
    floor, order, leave = Floor(), [], asyncio.Event()

    async def lonely():
        for name in ("first", "second"):
            async with floor.alone():
                order.append(name)
                await leave.wait()
                await _turns()
                order.append(f"{name} leaves")

    async def later():
        async with floor.shared():
            order.append("comes")

    async with asyncio.TaskGroup() as group:
        group.create_task(lonely())
        await _turns()
        group.create_task(later())
        await _turns()
        leave.set()
    assert order == ["first", "first leaves", "second", "second leaves", "comes"]


async def test_who_gives_up_waiting_to_be_alone_lets_others_in():
    """Cancelled while somebody is still inside."""
    floor = Floor()
    async with floor.shared():
        waiting = asyncio.create_task(floor.alone().__aenter__())
        await _turns()
        waiting.cancel()
        await asyncio.wait([waiting])
        async with asyncio.timeout(1), floor.shared():
            pass
