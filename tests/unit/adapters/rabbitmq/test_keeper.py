"""Whether there is a line, why not, and when another comes."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from core.adapters.rabbitmq.ending import Ending
from core.adapters.rabbitmq.keeper import Keeper
from core.adapters.rabbitmq.pace import Pace
from core.errors import BrokerUnavailableError

QUICK = Pace(first_delay=0.001, longest_delay=0.002)


class Wire:
    """A line to nowhere."""

    def __init__(self) -> None:
        self.ending = Ending()


class Exchange:
    """Opens lines when it is told to."""

    def __init__(self) -> None:
        self.there = asyncio.Event()
        self.refusal: str | None = None
        self.opened: list[Wire] = []
        self.tries = 0

    @contextlib.asynccontextmanager
    async def line(self):
        self.tries += 1
        if self.refusal:
            raise BrokerUnavailableError(self.refusal)
        await self.there.wait()
        self.opened.append(Wire())
        yield self.opened[-1]


async def until(holds: Callable[[], bool]) -> None:
    """Let the others run until it holds."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
async def keeper(exchange):
    keeper = Keeper(exchange.line, QUICK, "test")
    yield keeper
    await keeper.close()


async def test_while_nobody_knows_one_waits(exchange, keeper):
    """The first try is under way."""
    getting = asyncio.create_task(keeper.get())
    await asyncio.sleep(0)
    assert not getting.done()
    exchange.there.set()
    assert await getting is exchange.opened[0]
    assert await keeper.up() is exchange.opened[0]


async def test_once_it_is_known_to_be_away_nobody_waits(exchange, keeper):
    """The reason is told at once, again and again; meanwhile it is tried for ever."""
    exchange.refusal = "away"
    await keeper.known()
    for _ in range(3):
        with pytest.raises(BrokerUnavailableError, match="away"):
            await keeper.get()
    up = asyncio.create_task(keeper.up())
    async with asyncio.timeout(5):
        await until(lambda: exchange.tries >= 10)
        exchange.refusal = None
        exchange.there.set()
        assert await up is exchange.opened[0]
    assert keeper.trouble is None


async def test_a_line_that_ends_is_replaced_and_waited_for(exchange, keeper):
    """A cut connection mostly comes back at once: no error for that."""
    exchange.there.set()
    first = await keeper.get()
    first.ending.bring("cut")
    await until(lambda: keeper.line is not first)
    assert await keeper.get() is exchange.opened[1]


async def test_a_line_that_does_not_answer_is_told_of_at_once(exchange, keeper):
    """Whoever comes next would otherwise wait for his own deadline."""
    exchange.there.set()
    first = await keeper.get()
    exchange.there.clear()
    keeper.drop(first, "silent")
    with pytest.raises(BrokerUnavailableError, match="silent"):
        await keeper.get()
    exchange.there.set()
    assert await keeper.up() is exchange.opened[1]
    keeper.drop(first, "silent")  # an old grievance
    assert await keeper.get() is exchange.opened[1]


def test_delays_grow_to_a_limit_and_differ():
    """Or all processes come back in the same moment."""
    pace = Pace(first_delay=0.1, longest_delay=5.0)
    assert max(pace.delay(0) for _ in range(50)) <= 0.1
    late = {pace.delay(1000) for _ in range(50)}
    assert max(late) <= 5.0
    assert min(late) >= 2.5
    assert len(late) > 40
