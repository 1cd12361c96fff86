"""A look at something that may hang for ever, and of which no second one is begun before it has ended."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class OneLook:
    """A share that hangs keeps the thread that asks it: asked every few seconds, all threads would be gone soon."""

    def __init__(self) -> None:
        self._under_way: asyncio.Task[str] | None = None

    async def look(self, begin: Callable[[], Coroutine[Any, Any, str]], deadline_seconds: float) -> str | None:
        """What is found, perhaps by the look that is under way; None where it has not ended in time."""
        look = self._under_way
        if look is None or look.done():
            look = self._under_way = asyncio.create_task(begin())
        done, _ = await asyncio.wait({look}, timeout=deadline_seconds)
        return look.result() if done else None
