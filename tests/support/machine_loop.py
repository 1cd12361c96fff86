"""An event loop in which nothing happens by itself: time stands still until it is moved, and engine calls wait.

What would run on a thread runs at once, in the loop. Only an engine's call waits, until somebody says how it ends: it
raises ``NotYetError``, and is called again then. So a whole worker runs step by step, the same each time.
"""

import asyncio
import contextvars
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

OWNER: contextvars.ContextVar[str] = contextvars.ContextVar("owner")  # the process that a task of the loop is part of
RESOLUTION = 1e-6


class NotYetError(BaseException):
    """An engine was called: its answer is not known yet."""


@dataclass(kw_only=True)
class Waiting:
    """A call that waits for its end."""

    owner: str
    since: float
    future: "asyncio.Future[Any]"
    call: Callable[[], Any]


@dataclass
class SteppedLoop(asyncio.SelectorEventLoop):
    """See the module."""

    now: float = 1_000.0
    waiting: list[Waiting] = field(default_factory=list)
    parts: dict[str, "set[asyncio.Task[Any]]"] = field(default_factory=dict)  # tasks by their process

    def __post_init__(self) -> None:
        """Nothing is open before."""
        super().__init__()
        self.set_task_factory(self._new_task)
        self.set_exception_handler(_unless_killed)

    __hash__ = asyncio.SelectorEventLoop.__hash__

    def time(self) -> float:
        """Seconds; moved by :func:`advance` alone."""
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *values: Any) -> "asyncio.Future[Any]":
        """Run it here and now."""
        del executor
        future = self.create_future()
        self._answer(OWNER.get("nobody"), future, partial(func, *values), self.now)
        return future

    def again(self, waiting: Waiting) -> None:
        """Call it a second time: the engine knows now what to say.

        Where it waits for a window, the call is as old as before, and so is its batch, which has a deadline.
        """
        self.waiting.remove(waiting)
        self._answer(waiting.owner, waiting.future, waiting.call, waiting.since)

    def _answer(self, owner: str, future: "asyncio.Future[Any]", call: Callable[[], Any], since: float) -> None:
        if future.cancelled():
            return
        try:
            future.set_result(call())
        except NotYetError:
            self.waiting.append(Waiting(owner=owner, since=since, future=future, call=call))
        except Exception as error:  # noqa: BLE001 - as an executor hands it on
            future.set_exception(error)

    @staticmethod
    def _new_task(loop: "SteppedLoop", work: Any, **options: Any) -> "asyncio.Task[Any]":
        task = asyncio.Task(work, loop=loop, **options)
        context = options.get("context")
        owner = context.get(OWNER) if context is not None else OWNER.get(None)
        if owner is not None:
            mine = loop.parts.setdefault(owner, set())
            mine.add(task)
            task.add_done_callback(mine.discard)
        return task


def _unless_killed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a killed process leaves unread is nobody's."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


async def quiet() -> None:
    """Return when nothing is left to be done at this moment."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)
    while loop._ready:  # noqa: ASYNC110 - there is no event for that there are no events
        await asyncio.sleep(0)


async def advance(seconds: float) -> None:
    """Let time pass, from one timer to the next."""
    loop = asyncio.get_running_loop()
    end = loop.now + seconds
    await quiet()
    while (due := _next_timer(loop)) is not None and due <= end:
        loop.now = max(loop.now, due) + RESOLUTION
        await quiet()
    loop.now = max(end, loop.now)
    await quiet()


def _next_timer(loop: SteppedLoop) -> float | None:
    return min((handle.when() for handle in loop._scheduled if not handle.cancelled()), default=None)


def begin(loop: SteppedLoop, owner: str, work: Any) -> "asyncio.Task[Any]":
    """Start something as a part of a process; all that it starts is a part of that process too."""
    context = contextvars.copy_context()
    context.run(OWNER.set, owner)
    return loop.create_task(work, context=context)


async def kill(owner: str) -> None:
    """End all that is part of a process. What its parts still try to do must have no effect: see the wire."""
    loop = asyncio.get_running_loop()
    loop.waiting = [call for call in loop.waiting if call.owner != owner]
    for _ in range(50):
        tasks = list(loop.parts.get(owner, ()))
        for task in tasks:
            task.cancel()
        await quiet()
        if not loop.parts.get(owner):
            return
    raise AssertionError(f"parts of {owner} do not end: {loop.parts[owner]}")
