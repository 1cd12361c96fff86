"""The worker alone, against a given database: `python cmd/consumer/main.py`."""

import asyncio
import os
import sys

import structlog
from pydantic import ValidationError

from core import logs
from core.config import Settings
from core.errors import PermanentError, StoreUnavailableError
from core.flow.resources import open_resources
from core.process import EXIT_CONFIG, EXIT_UNAVAILABLE, on_signal
from worker.runtime import Worker, open_context

log = structlog.get_logger()


def main() -> None:
    """Run until SIGTERM or Ctrl-C; a second one ends it at once."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(f"The settings are wrong: {error}")
    logs.configure(settings)
    status = asyncio.run(_run(settings))
    sys.stderr.flush()
    os._exit(status)  # a thread that is still inside the engine must not hold up the end


async def _run(settings: Settings) -> int:
    try:
        async with open_resources(settings) as resources, open_context(settings, resources) as context:
            worker = Worker(context)
            on_signal(worker.stop)
            await worker.run()
    except PermanentError as error:
        log.error(error.message, code=error.code)
        return EXIT_CONFIG
    except StoreUnavailableError as error:
        log.error(error.message)
        return EXIT_UNAVAILABLE
    return 0
