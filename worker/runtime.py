"""One worker: its parts wired together, its start and its orderly end."""

import asyncio
import socket
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import structlog

from core.config import Settings
from core.engines.registry import EngineRegistry
from core.errors import ParascribeError, TransientError
from core.flow.credits import Credits
from core.flow.resources import Resources
from core.models import Options
from core.niceness import give_way
from core.ports import Delivery, Queue
from core.process import EXIT_BROKER, EndError
from worker.batch_memory import usual_batch
from worker.context import Context, run_folder
from worker.hands import Hands
from worker.health import OK
from worker.heap import give_back, give_back_now
from worker.housekeeping import Housekeeper
from worker.intake import Arrival, Intake, Rest
from worker.jobs import Jobs
from worker.listening import Listener
from worker.liveness import announce, beat
from worker.prepare import SHORT_FILES, Crew, Preparer
from worker.progress import Progress
from worker.retirement import Retirement
from worker.runfiles import Cause, RunFile
from worker.settling import Settler
from worker.shares import in_hand
from worker.slots import Slots
from worker.standby import stand_by
from worker.sweeper import Sweeper
from worker.takeover import take_over
from worker.turns import Turns

log = structlog.get_logger()

EVERYTHING = 100_000  # prefetch of a broker in this process: whose turn it is, is decided in the intake
# What follows the grace; together less than core.process.LEAVING_SECONDS. Each has its own, so that the last is tried.
HAND_BACK_SECONDS = 1.5
SETTLE_SECONDS = 1.0  # for results that are being written when the grace is over
GOOD_BYE_SECONDS = 1.5
CHECK_SECONDS = 2.0
OPTIONS_KEPT = 256


@asynccontextmanager
async def open_context(settings: Settings, resources: Resources) -> AsyncIterator[Context]:
    """Who this worker is; its run file is there as long as the block lasts."""
    worker_id = f"{socket.gethostname()}-{uuid.uuid4().hex[:12]}"
    run_file = RunFile(run_folder(settings), worker_id)
    context = Context(
        settings=settings,
        resources=resources,
        credit=Credits(resources, fleet_seconds=settings.heartbeat_seconds),
        engines=EngineRegistry(settings),
        worker_id=worker_id,
        run_file=run_file,
    )
    try:
        yield context
    finally:
        run_file.close()
        await context.decoders.close()


class Worker:
    """Consumes both queues until it is stopped."""

    def __init__(self, context: Context) -> None:
        self._context = context
        settings, resources = context.settings, context.resources
        self._stop = asyncio.Event()
        self._threads = ThreadPoolExecutor(
            settings.max_concurrent_jobs + 1, thread_name_prefix="prepare", initializer=give_way
        )
        self._loading = ThreadPoolExecutor(  # of models, whose own threads inherit from these
            settings.max_concurrent_jobs + SHORT_FILES + 1, thread_name_prefix="load", initializer=give_way
        )
        self._options: OrderedDict[str, Options] = OrderedDict()
        self._settling, self._preparing, self._upkeep = Jobs(), Jobs(), Jobs()
        self._intake = Intake(slots=settings.slots, sizes=usual_batch(settings), left=self._left)
        self._progress = Progress(
            resources, self._upkeep, parallel=settings.use_parallel_transcription, in_hand=self._intake.has_of
        )
        crew = Crew(
            turns=Turns(settings.max_concurrent_jobs),
            threads=self._threads,
            listener=Listener(context=context, threads=self._threads, loading=self._loading),
            progress=self._progress,
        )
        self._preparer = Preparer(context, crew)
        settler = Settler(context, self._progress, self._settling, self._upkeep)
        self._retirement = Retirement(settings)
        self._slots = Slots(context, self._intake, settler, self._upkeep, self._retirement)
        hands = Hands(
            preparer=self._preparer,
            intake=self._intake,
            settler=settler,
            slots=self._slots,
            prepare=self._prepare,
            arrive=self._arrive,
        )
        self._sweeper = Sweeper(context, hands, self._progress)
        self._housekeeper = Housekeeper(context)
        self.ready = asyncio.Event()
        self._leaving = False

    def stop(self) -> None:
        """Take no further work; :meth:`run` returns when what is under way has ended or the grace is over."""
        self._stop.set()

    async def run(self) -> None:
        """Work until stopped or retired; leaves nothing owned behind. Raises ``EndError`` if the broker is broken."""
        context, sizes = self._context, self._intake.sizes
        await announce(context, sizes)
        for upkeep in self._upkeep_work():
            self._upkeep.start(upkeep)
        stop_consuming = await self._consume()
        work = asyncio.create_task(self._slots.run())
        self.ready.set()
        log.info("worker ready", worker=context.worker_id, slots=context.settings.slots, batch=sizes.most)
        broken = asyncio.create_task(context.resources.broker.broken())
        retired = asyncio.create_task(self._retirement.due.wait())
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({work, broken, retired, stopped}, return_when=asyncio.FIRST_COMPLETED)
        self.ready.clear()  # before anything else: whoever asks hears that no more work is taken
        log.info("worker leaving", worker=context.worker_id, running=len(self._slots.running))
        await self._wind_down(work, stop_consuming, stopped, retiring=retired.done())
        for waiting in (broken, retired, stopped):
            waiting.cancel()
        self._judge(work, broken)

    def _upkeep_work(self) -> list[Coroutine[Any, Any, None]]:
        guarded = "sweeper" not in self._context.settings.test_without
        sweeping = [self._sweeper.run(), self._housekeeper.run()] if guarded else []
        watching = [self._slots.watch(), self._retirement.watch(), self._context.run_file.watch()]
        watching.append(stand_by(self._context.decoders, self._at_work))
        return [*sweeping, beat(self._context, self._intake.sizes), *watching, give_back(), self._warm_up()]

    def _at_work(self) -> bool:
        return bool(self._stop.is_set() or self._leaving or self._slots.running or self._preparer.held)

    async def checks(self) -> dict[str, str]:
        """What has to be well for this worker to get work done: ``ok`` or a sentence for each."""
        broker, database = await asyncio.gather(self._context.resources.broker.check(), self._database())
        worker = OK if self.ready.is_set() and not self._stop.is_set() else "It is starting or leaving."
        return {"worker": worker, "database": database, "broker": broker or OK}

    async def _database(self) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._context.resources.tasks.get("readyz")
        except (TimeoutError, TransientError):
            return f"The database did not answer within {CHECK_SECONDS:g} s. Check MONGO_URL and whether it runs."
        return OK

    async def _warm_up(self) -> None:
        """Load the default model before the first task needs it; one that is missing is told of at once."""
        model, loop = self._context.settings.default_whisper_model, asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._loading, self._context.engines.warm, model)
            await loop.run_in_executor(self._loading, give_back_now)  # loading takes more than what stays
        except ParascribeError as error:
            log.error(error.message, model=model, code=error.code)

    async def _consume(self) -> list[Callable[[], Awaitable[None]]]:
        """What stops consuming.

        A slot holds its batch until that is settled, and one more waits for whichever slot is free first, each of the
        largest size that may be. More would wait here while another worker is idle, and be missing from its share of
        a long file; less would keep a slot waiting for the broker at every batch.
        """
        settings, broker = self._context.settings, self._context.resources.broker
        chunks = EVERYTHING if broker.volatile else in_hand(settings.slots, self._intake.sizes.most)
        tasks = settings.max_concurrent_jobs + SHORT_FILES
        return [
            await broker.consume(Queue.CHUNKS, self._arrive, prefetch=chunks),
            await broker.consume(Queue.TASKS, self._prepare, prefetch=tasks),
        ]

    async def _prepare(self, delivery: Delivery) -> None:
        if self._leaving:
            await delivery.requeue()
            return
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

    async def _left(self, task_ids: list[str]) -> Rest | None:
        """What these tasks have left that nobody has begun; None: more of one of them is still to come."""
        left, credit, samples = 0, self._context.credit, dict[tuple[str, int], int]()
        try:
            for task_id in task_ids:
                task = await credit.task(task_id)
                if task is not None and task.max_parallel_workers is not None:
                    left += task.max_parallel_workers  # more of them never wait
                    continue
                if task is not None and await credit.has_more(task):
                    return None
                queued, taken = await self._context.resources.chunks.queued(task_id), self._intake.taken(task_id)
                samples |= {(task_id, index): core for index, core in queued.items() if index not in taken}
            return Rest(each=(left + len(samples)) / await credit.slots(), samples=samples)
        except TransientError:
            return None

    async def _wind_down(
        self,
        work: "asyncio.Task[None]",
        stop_consuming: list[Callable[[], Awaitable[None]]],
        stopped: "asyncio.Task[bool]",
        *,
        retiring: bool,
    ) -> None:
        """Nothing new comes in any more: finish what fits in the grace, give back the rest, say good-bye."""
        handing_back = asyncio.create_task(self._hand_back(stop_consuming))
        if retiring:  # nobody hurries us
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({work}, timeout=self._context.settings.shutdown_grace_seconds)
        self._slots.abandon()
        work.cancel()
        await _at_most(HAND_BACK_SECONDS, asyncio.gather(work, handing_back, return_exceptions=True))
        await self._settling.finish(SETTLE_SECONDS)
        await self._upkeep.cancel()
        await _at_most(GOOD_BYE_SECONDS, self._leave())
        for threads in (self._threads, self._loading):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _hand_back(self, stop_consuming: list[Callable[[], Awaitable[None]]]) -> None:
        """What waits here can be begun by others now; so can files that we have not cut to their end."""
        self._leaving = True
        waiting = await self._intake.close()
        await asyncio.gather(*(stop() for stop in stop_consuming), return_exceptions=True)
        await asyncio.gather(*(arrival.delivery.requeue() for arrival in waiting), return_exceptions=True)
        await self._preparing.cancel()

    async def _leave(self) -> None:
        try:
            await take_over(self._context, self._context.worker_id, Cause.LEFT)
        except TransientError as error:
            log.warning("could not say good-bye, others will notice", error=str(error))

    def _judge(self, work: "asyncio.Task[None]", broken: "asyncio.Task[None]") -> None:
        """What the process ends with."""
        if work.done() and not work.cancelled() and (error := work.exception()) is not None:
            raise error
        if broken.done() and not broken.cancelled():
            sentence = "The broker is there, and consuming from it failed again and again. This process ends."
            log.error("broker broken", sentence=sentence)
            raise EndError(sentence, EXIT_BROKER)


async def _at_most(seconds: float, work: Awaitable[object]) -> None:
    working = asyncio.ensure_future(work)
    await asyncio.wait({working}, timeout=seconds)
    if not working.done():
        log.warning("not all could be given back in time, others will notice")
        working.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody else asks for it
        working.cancel()  # and is not waited for
