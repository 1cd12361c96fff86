"""The API as a process of its own, against a database that is given."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import structlog
from pydantic import ValidationError

from api.app import create_app
from api.server import ApiServer
from core import logs
from core.config import Settings
from core.errors import InvalidRequestError, StoreUnavailableError
from core.flow.resources import Resources, open_resources

log = structlog.get_logger()

CONFIGURATION_ERROR = 78  # EX_CONFIG: started again with the same settings it would fail again
FORCED = 1
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.5, 10.0


def main() -> None:
    """Run until SIGTERM or Ctrl-C; a second one ends it at once. Exits with 78 where the settings are at fault."""
    try:
        settings = Settings()
        logs.configure(settings)
        asyncio.run(_run(settings))
    except InvalidRequestError as error:
        _give_up(error.message)
    except ValidationError as error:
        _give_up("; ".join(f"{_name(fault['loc'])}: {fault['msg']}" for fault in error.errors()))


def _name(place: tuple[int | str, ...]) -> str:
    return str(place[0]).upper() if place else "settings"


def _give_up(sentence: str) -> None:
    sys.stderr.write(f"parascribe: {sentence}\n")
    sys.exit(CONFIGURATION_ERROR)


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    with _signals(stop):
        async with AsyncExitStack() as stack:
            resources = await _opened(stack, settings, stop)
            if resources is not None:
                await _serve(ApiServer(create_app(settings, resources), settings), stop)


async def _serve(server: ApiServer, stop: asyncio.Event) -> None:
    async def ask() -> None:
        await stop.wait()
        server.stop()

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask())
        await server.run()
        asking.cancel()


async def _opened(stack: AsyncExitStack, settings: Settings, stop: asyncio.Event) -> Resources | None:
    """The resources, however long the database is away; None where the process is to end before that."""
    delay = FIRST_DELAY_SECONDS
    while not stop.is_set():
        try:
            return await _unless(stop, stack.enter_async_context(open_resources(settings)))
        except StoreUnavailableError as error:
            log.warning("waiting for the database", reason=error.message, next_try_seconds=delay)
        await _wait(stop, delay)
        delay = min(2 * delay, LONGEST_DELAY_SECONDS)
    return None


async def _unless(stop: asyncio.Event, opening: Coroutine[Any, Any, Resources]) -> Resources | None:
    """What is opened, or None as soon as the process is to end: the driver looks for a server for up to 10 s."""
    task, stopping = asyncio.create_task(opening), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    return None if task.cancelled() else task.result()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """The first signal asks, the second one insists."""
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(FORCED)  # nothing may hold it up any more; what it leaves half done is repaired like a crash
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
