"""Waiting for the database, and not waiting for what will never come."""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from core.errors import StoreUnavailableError
from core.process import EXIT_HUNG
from worker.runfiles import RunFile

log = structlog.get_logger()

DELAYS = (0.2, 0.5, 1.0, 2.0)
LAST_DELAY = 5.0
TICKS = 20  # parts of a wait; a pause of this process or of its machine uses up one of them

Result = TypeVar("Result")


async def until_answered(write: Callable[[], Awaitable[Result]], **what: object) -> Result:
    """Repeat a conditional write until the database has answered. What a live worker owns is nobody else's."""
    for delay in itertools.chain(DELAYS, itertools.repeat(LAST_DELAY)):
        try:
            return await write()
        except StoreUnavailableError as error:
            log.warning("not written yet", error=str(error), **what)
        await asyncio.sleep(delay)
    raise AssertionError  # the delays never end


async def within(
    seconds: Callable[[], float], work: "asyncio.Future[Result]", *, rests: Callable[[], bool] = lambda: False
) -> Result:
    """The result of what runs on a thread, or ``TimeoutError`` after so many seconds in which this process ran.

    How many is asked again and again: work may become more while it is done. ``rests``: whether it waits for others at
    the moment, which is not its time.

    The clock runs on while a process is stopped or its machine asleep: one long timer would then be over before the
    thread had its time, so no wait counts for more than it was to take. ``work`` is never cancelled: no thread can be.
    """
    work.add_done_callback(_heard)  # whoever waits may be cancelled before
    ran = 0.0
    while ran < (limit := seconds()):
        done, _ = await asyncio.wait({work}, timeout=limit / TICKS)
        if done:
            return work.result()
        ran += 0 if rests() else limit / TICKS
    raise TimeoutError


def _heard(work: "asyncio.Future[Result]") -> None:
    if not work.cancelled():
        work.exception()


def end_hung_process(run_file: RunFile, **what: object) -> None:
    """A thread cannot be stopped from outside, so a hung engine costs the process; what it ran counts an attempt."""
    log.error("engine hung, ending the process", **what)
    run_file.blame("hung\n")
    os._exit(EXIT_HUNG)
