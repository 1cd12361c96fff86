"""``parascribe serve``: the database and the app as child processes, kept running and ended in order."""

import asyncio
import time
from dataclasses import dataclass, field

import structlog

from cli.database import Database
from cli.keeper import Keeper, Patience
from cli.processes import Program, first_of
from cli.stopping import StopRequests

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How long things may take, in seconds."""

    database_start: float = 60.0  # after a crash it replays its journal
    stop: float = 9.5  # all of it, from the first signal; with the default SHUTDOWN_GRACE_SECONDS
    database_stop: float = 1.0  # kept back for the database out of ``stop``
    database_stop_at_most: float = 4.0  # then SIGKILL, which loses nothing: every commit is on the disk
    patience: Patience = field(default_factory=Patience)


class Supervisor:
    """Starts the database, then the app; restarts whichever ends; stops the app first, then the database.

    While the database is away the app goes on running: it reconnects, since the port stays the same.
    """

    def __init__(self, *, app: Program, database: Database | None = None, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._database = database
        self._app_keeper = Keeper(app, self._pace.patience)
        self._database_keeper = Keeper(database.program, self._pace.patience) if database else None

    async def run(self) -> int:
        """Run until a signal. 0: stopped in order; 1: at once, or the database cannot start; 78: the app's settings."""
        with StopRequests() as stop:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keep_running())
                try:
                    await first_of(asyncio.shield(keeping), stop.first.wait())
                    keeping.cancel()
                    await asyncio.wait([keeping])
                finally:
                    await self._end_all(stop.second)
        return int(stop.second.is_set()) if keeping.cancelled() else keeping.result()

    async def _keep_running(self) -> int:
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(self._database_keeper.run()) if self._database_keeper else None
            code = await self._run_app()
            if keeping:
                keeping.cancel()
        return code

    async def _run_app(self) -> int:
        seconds = self._pace.database_start
        if self._database and not await self._database.ready(within_seconds=seconds):
            log.error("database_did_not_start", waited_seconds=seconds, directory=str(self._database.directory))
            return 1
        return await self._app_keeper.run()

    async def _end_all(self, hurry: asyncio.Event) -> None:
        log.info("stopping")
        deadline = time.monotonic() + self._pace.stop
        await self._app_keeper.end(seconds=self._pace.stop - self._pace.database_stop, hurry=hurry)
        if self._database and self._database_keeper:
            async with asyncio.TaskGroup() as group:
                nudging = group.create_task(self._database.nudge())
                seconds = min(self._pace.database_stop_at_most, deadline - time.monotonic())
                await self._database_keeper.end(seconds=seconds, hurry=hurry)
                nudging.cancel()
        log.info("stopped")
