"""API and worker in one process: the app that `parascribe serve` keeps running."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from api.app import create_app
from api.server import ApiServer
from core import process
from core.config import Settings
from core.flow.resources import Resources
from worker.heap import keep_heap
from worker.runtime import Worker, open_context


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    keep_heap()
    process.run(serve)


async def serve(settings: Settings, resources: Resources, stop: asyncio.Event) -> None:
    """Serve and work until ``stop`` is set. New requests are refused first, then the worker leaves in order."""
    async with open_context(settings, resources) as context:
        worker = Worker(context)

        async def worker_ready() -> dict[str, str]:
            return {"worker": "ok" if worker.ready.is_set() and not stop.is_set() else "The worker is not ready."}

        server = ApiServer(create_app(settings, resources, ready=worker_ready, credit=context.credit), settings)
        process.settle()
        async with process.calling(server.stop, worker.stop, when=stop):
            await _until_one_ends(worker.run(), server.run(), stop=stop)


async def _until_one_ends(*parts: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Where one ends, by itself or with an error, the others are asked to stop and may do so in order."""
    running = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        results = await asyncio.gather(*running, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


if __name__ == "__main__":
    main()
