"""Places for preparing, and passing them on."""

import asyncio

import pytest

from worker.turns import Turns


async def test_a_short_task_goes_between_two_blocks_of_a_long_one():
    """The long one passes its place on whenever somebody waits."""
    turns, order = Turns(1), []

    async def work(name: str, blocks: int) -> None:
        async with turns.take() as turn:
            for _ in range(blocks):
                order.append(name)
                await asyncio.sleep(0)
                await turn.pass_on()

    await asyncio.gather(work("long", 4), work("short", 1))
    assert order == ["long", "short", "long", "long", "long"]


async def test_never_more_than_the_places():
    """However many there are and however they pass on."""
    turns, inside, most = Turns(2), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with turns.take() as turn:
            for _ in range(3):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                await turn.pass_on()

    await asyncio.gather(*(work() for _ in range(6)))
    assert most == 2


async def test_being_cancelled_while_waiting_for_the_place_back_gives_none_away():
    """Else one cancelled task would let two work at once ever after."""
    turns = Turns(1)
    release = asyncio.Event()

    async def passer() -> None:
        async with turns.take() as turn:
            await asyncio.sleep(0)
            await turn.pass_on()

    async def holder() -> None:
        async with turns.take():
            await release.wait()

    passing, holding = asyncio.create_task(passer()), asyncio.create_task(holder())
    await asyncio.sleep(0.01)
    passing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await passing
    third = asyncio.create_task(turns.acquire())
    await asyncio.sleep(0.01)
    assert not third.done()
    release.set()
    await holding
    await third


async def test_who_rests_lets_others_in_and_takes_a_place_again_afterwards():
    """Also where the one who looks for the next block was in line for a place already."""
    turns, order, over = Turns(1), [], asyncio.Event()

    async def rests() -> None:
        async with turns.take() as turn:
            await asyncio.sleep(0)
            ahead = asyncio.create_task(turn.pass_on())
            await asyncio.sleep(0)
            with turn.resting():
                await over.wait()
            await ahead
            assert not turn.held
            await turn.pass_on()
            assert turn.held
            order.append("rested")

    async def work(name: str) -> None:
        async with turns.take():
            order.append(name)
            await asyncio.sleep(0)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(rests())
        await group.create_task(work("waited"))
        await work("came later")
        over.set()
    assert order == ["waited", "came later", "rested"]
    async with asyncio.timeout(10), turns.take():
        assert not turns.wanted
