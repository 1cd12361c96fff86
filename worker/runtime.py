"""One worker: its parts wired together, its start and its orderly end."""

import asyncio
import contextlib
import socket
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import structlog

from core.config import Settings
from core.engines.registry import EngineRegistry
from core.errors import ParascribeError, TransientError
from core.flow.credits import Credits
from core.flow.resources import Resources
from core.models import Options
from core.ports import Delivery, Queue
from worker.context import Context, run_folder
from worker.intake import Arrival, Intake
from worker.jobs import Jobs
from worker.liveness import announce, beat
from worker.prepare import SHORT_FILES, Crew, Preparer
from worker.progress import Progress
from worker.runfiles import RunFile
from worker.settling import Settler
from worker.slots import Slots
from worker.sweeper import Hands, Sweeper
from worker.takeover import take_over
from worker.turns import Turns

log = structlog.get_logger()

EVERYTHING = 100_000  # prefetch of a broker in this process: whose turn it is, is decided in the intake
SETTLE_SECONDS = 2.0  # for results that are being written when the grace is over
OPTIONS_KEPT = 256


@asynccontextmanager
async def open_context(settings: Settings, resources: Resources) -> AsyncIterator[Context]:
    """Who this worker is; its run file is there as long as the block lasts."""
    worker_id = f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
    run_file = RunFile(run_folder(settings), worker_id)
    try:
        yield Context(
            settings=settings,
            resources=resources,
            credit=Credits(resources, fleet_seconds=settings.heartbeat_seconds),
            engines=EngineRegistry(settings),
            worker_id=worker_id,
            run_file=run_file,
        )
    finally:
        run_file.close()


class Worker:
    """Consumes both queues until it is stopped."""

    def __init__(self, context: Context) -> None:
        self._context = context
        settings, resources = context.settings, context.resources
        self._stop = asyncio.Event()
        self._threads = ThreadPoolExecutor(settings.max_concurrent_jobs + 1, thread_name_prefix="prepare")
        self._options: OrderedDict[str, Options] = OrderedDict()
        self._settling, self._preparing, self._upkeep = Jobs(), Jobs(), Jobs()
        self._progress = Progress(resources, self._upkeep, parallel=settings.use_parallel_transcription)
        self._intake = Intake(slots=settings.slots, batch=settings.batch, more=self._more)
        crew = Crew(turns=Turns(settings.max_concurrent_jobs), threads=self._threads, progress=self._progress)
        self._preparer = Preparer(context, crew)
        settler = Settler(context, self._progress, self._settling, self._upkeep)
        self._slots = Slots(context, self._intake, settler, self._upkeep)
        hands = Hands(preparer=self._preparer, intake=self._intake, settler=settler, slots=self._slots)
        self._sweeper = Sweeper(context, hands, self._progress)
        self.ready = asyncio.Event()

    def stop(self) -> None:
        """Take no further work; :meth:`run` returns when what is under way has ended or the grace is over."""
        self._stop.set()

    async def run(self) -> None:
        """Work until stopped. Leaves nothing owned behind."""
        context = self._context
        await announce(context)
        async with contextlib.AsyncExitStack() as stack:
            for upkeep in (beat(context), self._sweeper.run(), self._slots.watch()):
                self._upkeep.start(upkeep)
            self._upkeep.start(self._warm_up())
            await self._consume(stack)
            work = asyncio.create_task(self._slots.run())
            self.ready.set()
            log.info(
                "worker ready", worker=context.worker_id, slots=context.settings.slots, batch=context.settings.batch
            )
            stopped = asyncio.create_task(self._stop.wait())
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
        await self._wind_down(work)

    async def _warm_up(self) -> None:
        """Load the default model before the first task needs it; one that is missing is told of at once."""
        model = self._context.settings.default_whisper_model
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._context.engines.warm, model)
        except ParascribeError as error:
            log.error(error.message, model=model, code=error.code)

    async def _consume(self, stack: contextlib.AsyncExitStack) -> None:
        settings, broker = self._context.settings, self._context.resources.broker
        chunks = EVERYTHING if broker.volatile else 2 * settings.slots * settings.batch
        tasks = settings.max_concurrent_jobs + SHORT_FILES
        stack.push_async_callback(await broker.consume(Queue.CHUNKS, self._arrive, prefetch=chunks))
        stack.push_async_callback(await broker.consume(Queue.TASKS, self._prepare, prefetch=tasks))

    async def _prepare(self, delivery: Delivery) -> None:
        self._preparing.start(self._preparer.handle(delivery))

    async def _arrive(self, delivery: Delivery) -> None:
        """Into the intake, with the options of its task."""
        message = delivery.message
        try:
            options = await self._options_of(message.task_id)
        except TransientError as error:
            log.warning("message dropped, the sweeper announces it again", task_id=message.task_id, error=str(error))
            options = None
        if options is None or message.chunk is None:
            await delivery.ack()
            return
        await self._intake.put(
            Arrival(task_id=message.task_id, index=message.chunk, options=options, delivery=delivery)
        )

    async def _options_of(self, task_id: str) -> Options | None:
        """A task's options never change once a chunk of it is announced, so they are read once."""
        if task_id not in self._options:
            task = await self._context.resources.tasks.get(task_id)
            if task is None:
                return None
            self._options[task_id] = task.options
            if len(self._options) > OPTIONS_KEPT:
                self._options.popitem(last=False)
        return self._options[task_id]

    async def _more(self, task_ids: list[str]) -> bool:
        """Whether any of these tasks has chunks that are still to come."""
        try:
            for task_id in task_ids:
                task = await self._context.resources.tasks.get(task_id)
                if task is not None and await self._context.credit.has_more(task):
                    return True
        except TransientError:
            return True
        return False

    async def _wind_down(self, work: "asyncio.Task[None]") -> None:
        """Nothing new comes in any more: finish what fits in the grace, give back the rest, say good-bye."""
        for arrival in await self._intake.close():
            await arrival.delivery.requeue()
        await self._preparing.cancel()
        await asyncio.wait({work}, timeout=self._context.settings.shutdown_grace_seconds)
        self._slots.abandon()
        work.cancel()
        results = await asyncio.gather(work, return_exceptions=True)
        await self._settling.finish(SETTLE_SECONDS)
        await self._upkeep.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._leave()
        if isinstance(results[0], Exception):
            raise results[0]

    async def _leave(self) -> None:
        try:
            await take_over(self._context, self._context.worker_id, crashed=False, left=True)
        except TransientError as error:
            log.warning("could not say good-bye, others will notice", error=str(error))
