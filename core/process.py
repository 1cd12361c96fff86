"""How each of our processes begins and ends: settings, logs, patience with the database, signals, exit codes."""

import asyncio
import faulthandler
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from pydantic import ValidationError

from core import logs
from core.config import Settings
from core.errors import PermanentError, StoreUnavailableError
from core.flow.resources import Resources, open_resources

log = structlog.get_logger()

EXIT_ERROR = 1
EXIT_BROKER = 69  # EX_UNAVAILABLE: consuming cannot be mended from inside; starting again may help
EXIT_HUNG = 70  # EX_SOFTWARE: an engine hung; starting again helps
EXIT_CONFIG = 78  # EX_CONFIG: started again with the same settings it would fail again
ENDING = (signal.SIGTERM, signal.SIGINT)
LEAVING_SECONDS = 4.7  # after the grace, to give back and to close; then the process ends whatever still runs
CLOSING_SECONDS = 0.9  # for connections to be closed once all that matters is done
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.5, 10.0


class EndError(Exception):
    """The process is to end with this exit code; why was logged where it was found out."""

    def __init__(self, sentence: str, exit_code: int) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


Body = Callable[[Settings, Resources, asyncio.Event], Awaitable[None]]


def run(body: Body) -> None:
    """Read the settings, open the resources, and run ``body`` until SIGTERM or Ctrl-C sets its event. Never returns.

    A second signal ends the process at once; what it leaves half done is repaired like a crash. Settings that cannot
    work end it with 78 and a sentence on stderr.
    """
    try:
        settings = Settings()
        logs.configure(settings)
        asyncio.run(_run(body, settings))
        status = 0
    except BaseException as error:  # noqa: BLE001 - whatever it is, the process has to end, see below
        status = _exit_status(error)
    sys.stderr.flush()
    os._exit(status)  # a thread that is still inside the engine must not hold up the end


async def _run(body: Body, settings: Settings) -> None:
    stop = asyncio.Event()

    def leave() -> None:
        _end_at_last(settings.shutdown_grace_seconds + LEAVING_SECONDS)
        stop.set()

    on_signal(leave)
    if settings.test_without:
        log.warning("guards are switched off, which is for tests alone", without=settings.test_without)
    async with resources_when_there(settings, stop) as resources:
        if resources is not None:
            await body(settings, resources, stop)
        asyncio.get_running_loop().call_later(CLOSING_SECONDS, _end_well)  # what is to be closed must not hold us up
        if stop.is_set():  # all was done in time, so the last moment of that is no end any more
            _end_at_last(2 * CLOSING_SECONDS)


def settle() -> None:
    """What has been built by now lives as long as the process: the garbage collector need not look at it again.

    A full collection looks at everything, and meanwhile nobody gets an answer.
    """
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def resources_when_there(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Resources | None]:
    """The resources, however long the database is away; None where the process is to end before that."""
    async with AsyncExitStack() as stack:
        resources, delay = None, FIRST_DELAY_SECONDS
        while resources is None and not stop.is_set():
            try:
                resources = await stack.enter_async_context(open_resources(settings))
            except StoreUnavailableError as error:
                log.warning("waiting for the database", reason=error.message, next_try_seconds=delay)
                await _wait(stop, delay)
                delay = min(2 * delay, LONGEST_DELAY_SECONDS)
        yield resources


@asynccontextmanager
async def calling(*acts: Callable[[], None], when: asyncio.Event) -> AsyncIterator[None]:
    """For as long as the block lasts: once the event is set, call these."""

    async def wait() -> None:
        await when.wait()
        for act in acts:
            act()

    waiting = asyncio.create_task(wait())
    try:
        yield
    finally:
        waiting.cancel()


def on_signal(stop: Callable[[], None]) -> None:
    """On the running loop: the first SIGTERM or Ctrl-C calls ``stop``, a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        for number in ENDING:
            loop.remove_signal_handler(number)
            signal.signal(number, _end_at_once)
        stop()

    for number in ENDING:
        loop.add_signal_handler(number, first)


def _end_at_last(seconds: float) -> None:
    """Says where every thread is, and exits with 1. It needs neither the event loop nor the interpreter's lock."""
    faulthandler.dump_traceback_later(seconds, exit=True)


def _end_well() -> None:
    log.warning("closing takes too long, ended without it")
    sys.stderr.flush()
    os._exit(0)


def _end_at_once(number: int, _frame: object) -> None:
    os._exit(128 + number)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


def _name(place: tuple[int | str, ...]) -> str:
    return str(place[0]).upper() if place else "settings"


def _exit_status(error: BaseException) -> int:
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return _exit_status(error.exceptions[0])
    if isinstance(error, EndError):
        return error.exit_code
    if isinstance(error, ValidationError):
        return _refuse("; ".join(f"{_name(fault['loc'])}: {fault['msg']}" for fault in error.errors()))
    if isinstance(error, PermanentError):
        return _refuse(error.message)
    log.error("ended by an error that was not foreseen", exc_info=error)
    return EXIT_ERROR


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"parascribe: {sentence}\n")
    return EXIT_CONFIG
