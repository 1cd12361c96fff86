"""A database of one's own as a process: the program that `parascribe serve` starts, with every commit on the disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.private.processes import Child, environment
from cli.database import Database
from cli.ports import free_port
from cli.processes import Program

START_SECONDS = 60.0


@asynccontextmanager
async def running_database(folder: Path) -> AsyncIterator[tuple[Database, Child]]:
    """A database in an existing folder; started again when it dies, on the same port."""
    database = Database(directory=folder / "database", port=free_port())
    program = Program(name="database", command=database.program.command, environment=environment({}))
    child = Child(program=program, log=folder / "database.log", cwd=folder)
    await child.start()
    try:
        if not await database.ready(within_seconds=START_SECONDS):
            raise RuntimeError(f"The database did not start: {child.printed()[-2000:]}")
        yield database, child
    finally:
        child.resume()
        await child.end()


async def frozen_for(child: Child, seconds: float) -> None:
    """Stop it in its tracks for so long."""
    child.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        child.resume()
