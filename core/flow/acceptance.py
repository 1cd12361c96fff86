"""An upload becomes a task, unless that took so long that nobody can vouch for the upload any more.

Housekeeping removes uploads that no task has known for a while. A process that stands still between storing the upload
and storing the task (frozen, or a machine that slept) may come back after that: its client must not hear that all is
well.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from core.errors import StoreUnavailableError
from core.flow.removal import delete
from core.flow.resources import Resources
from core.flow.submit import submit
from core.models import Task
from core.ports import never


@dataclass(frozen=True, slots=True)
class Since:
    """A moment by two clocks: one that nobody sets, and one that goes on while the machine sleeps."""

    steady: float = field(default_factory=time.monotonic)
    wall: float = field(default_factory=time.time)

    @property
    def seconds(self) -> float:
        """How long ago it was; rather too long."""
        return max(time.monotonic() - self.steady, time.time() - self.wall)


async def accept(
    resources: Resources, task: Task, *, remember: timedelta = timedelta(days=1), late: Callable[[], bool] = never
) -> Task:
    """As :func:`core.flow.submit.submit`. ``late``: whether the upload was stored so long ago that it may be gone.

    Asked when the task is stored: whoever looks for uploads without a task finds it from then on. Raises
    ``StoreUnavailableError`` where it is too late; nothing is left then.
    """
    stored = await submit(resources, task, remember=remember)
    if stored.id == task.id and late():
        await delete(resources, task.id)
        raise StoreUnavailableError(
            "Storing the task took so long that the upload may be gone by now: nothing was accepted. Send it again."
        )
    return stored
