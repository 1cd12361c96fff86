"""What is removed in time: tasks that ended long ago, and blobs that no task knows. Every worker does it."""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from core.errors import ParascribeError
from core.flow.removal import purge
from worker.context import Context
from worker.liveness import Observer

log = structlog.get_logger()

LONGEST_PAUSE_SECONDS = 60.0


class Housekeeper:
    """One round after the other, for ever; apart from the sweeper, since a large store takes long to list."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._resources = context.resources
        self._blobs = Observer(context.clock)

    async def run(self) -> None:
        """Tidy; a round that fails is followed by the next."""
        settings = self._context.settings
        pause = min(LONGEST_PAUSE_SECONDS, max(settings.sweep_seconds, settings.orphan_seconds / 4))
        while True:
            try:
                await self.tidy()
            except ParascribeError as error:
                log.warning("housekeeping interrupted", error=str(error))
            except Exception:
                log.exception("housekeeping failed")
            await asyncio.sleep(pause)

    async def tidy(self) -> None:
        """One round. Raises ``StoreUnavailableError``, or what the blob store raises."""
        await self.remove_expired()
        await self.remove_orphans()

    async def remove_expired(self) -> None:
        """Tasks that ended more than ``TASK_TTL_SECONDS`` ago. A crash in between leaves a mark that sweepers heed."""
        ttl = self._context.settings.task_ttl_seconds
        if not ttl:
            return
        before = datetime.now(UTC) - timedelta(seconds=ttl)
        while expired := await self._resources.tasks.expired(before):
            for task in expired:
                await self._remove(task.id, before)

    async def remove_orphans(self) -> None:
        """Blobs whose task is gone: an upload that was never accepted, or a delete that lost a race."""
        if not await self._resources.tasks.any():
            return  # an empty database beside full blobs is more likely a wrong MONGO_DATABASE
        seen, old = set(), set()
        for prefix in ("uploads", "pcm"):
            async for blob in self._resources.blobs.iterate(prefix):
                seen.add(blob.key)
                if self._blobs.unchanged_for(blob.key, blob.size_bytes) >= self._context.settings.orphan_seconds:
                    old.add(blob.key)
        self._blobs.forget_all_but(seen)
        known = await self._resources.tasks.existing(sorted({_task_of(key) for key in old}))
        await self._resources.blobs.delete(*[key for key in old if _task_of(key) not in known])

    async def _remove(self, task_id: str, before: datetime) -> None:
        """Unless another worker was quicker, or it was retried since it was listed."""
        if await self._resources.tasks.mark_deleted(task_id, ended_before=before):
            await purge(self._resources, task_id)
            log.info("task removed, its time is over", task_id=task_id)


def _task_of(key: str) -> str:
    """``uploads/<task>`` and ``pcm/<task>/<index>``."""
    return key.split("/")[1]
