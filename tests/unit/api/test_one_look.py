"""A look that several ask for."""

import asyncio

from api.one_look import OneLook


async def test_who_waited_gets_what_he_waited_for() -> None:
    """Although another one has begun the next look before he goes on."""
    looks, go_on = OneLook(), asyncio.Event()

    async def first() -> str:
        await go_on.wait()
        return "first"

    async def second() -> str:
        return "second"

    looks._under_way = asyncio.create_task(first())
    others: list[asyncio.Task[str | None]] = []
    looks._under_way.add_done_callback(lambda _: others.append(asyncio.create_task(looks.look(second, 5))))
    asking = asyncio.create_task(looks.look(second, 5))
    await asyncio.sleep(0)
    go_on.set()
    assert await asking == "first"
    assert [await other for other in others] == ["second"]
