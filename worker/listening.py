"""The language of a file, found from its first windows."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from core.models import Language, Task, Window
from core.ports import Engine
from worker.context import Context
from worker.patience import end_hung_process, within
from worker.turns import Turn

DETECT_SECONDS = 300.0  # for the language of three windows


@dataclass(frozen=True, kw_only=True, slots=True)
class Listener:
    """Finds languages on the ``threads`` that files are cut on.

    ``loading``: threads of their own, one for each file that may be open. A model may have to be fetched first, which
    holds up nobody who needs none, or another one.
    """

    context: Context
    threads: ThreadPoolExecutor
    loading: ThreadPoolExecutor

    async def language(self, task: Task, windows: Sequence[Window], turn: Turn) -> Language:
        """The model's loading takes what it takes, and so does waiting for a thread; a hang costs the process."""
        loop, begun = asyncio.get_running_loop(), threading.Event()
        with turn.resting():
            engine = await loop.run_in_executor(self.loading, self.context.engines.get, task.options.model)
        told = self.context.settings.batch_deadline_seconds or DETECT_SECONDS
        listening = loop.run_in_executor(self.threads, _listen, begun, engine, windows)
        try:
            return await within(lambda: told, listening, rests=lambda: not begun.is_set())
        except TimeoutError:
            end_hung_process(self.context.run_file, task_id=task.id)
            raise


def _listen(begun: threading.Event, engine: Engine, windows: Sequence[Window]) -> Language:
    begun.set()
    return engine.detect_language(windows)
