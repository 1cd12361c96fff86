"""The worker as a process of its own, against a database that is given: `python cmd/consumer/main.py`."""

import asyncio

from core import process
from core.config import Settings
from core.flow.resources import Resources
from core.niceness import session_gives_way
from worker.health import health_port
from worker.heap import keep_heap
from worker.runtime import Worker, open_context


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    keep_heap()
    session_gives_way()
    process.run(work)


async def work(settings: Settings, resources: Resources, stop: asyncio.Event) -> None:
    """Consume until ``stop`` is set, then leave in order."""
    async with open_context(settings, resources) as context:
        worker = Worker(context)
        async with health_port(settings, worker.checks), process.calling(worker.stop, when=stop):
            await worker.run()
