"""The API as a process of its own, against a database that is given: `python cmd/api/main.py`."""

import asyncio

from api.app import create_app
from api.server import ApiServer
from core import process
from core.config import Settings
from core.flow.resources import Resources


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    process.run(serve)


async def serve(settings: Settings, resources: Resources, stop: asyncio.Event) -> None:
    """Answer until ``stop`` is set."""
    server = ApiServer(create_app(settings, resources), settings)
    process.settle()
    async with process.calling(server.stop, when=stop):
        await server.run()
