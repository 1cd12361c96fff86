"""What may happen to the world, as rules for Hypothesis."""

import asyncio
import tempfile
from pathlib import Path

import structlog
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pymongo import MongoClient

from core.ports import Queue
from tests.support.machine_loop import SteppedLoop, advance, quiet
from tests.support.machine_peace import calm, drain, judge, leave, processes
from tests.support.machine_sound import NAMES
from tests.support.machine_wire import Fault
from tests.support.machine_world import Process, World

OFTEN = st.sampled_from([True, True, True, False])
RARELY = st.sampled_from([False, False, False, True])
ANY = st.integers(min_value=0, max_value=2**10)  # which of those that there are
MOST_WORKERS = 3
MOST_TASKS = 8
PATIENCE_SECONDS = 200.0  # of an engine's call; a longer one would end its process as hung


class Machine(RuleBasedStateMachine):
    """The rules. A rule that finds nothing to act on does nothing, so that every run can be repeated."""

    url = ""
    without: tuple[str, ...] = ()
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=SteppedLoop)
        self.folder = tempfile.TemporaryDirectory(prefix="machine-")
        self.client = MongoClient(self.url)
        self.log = structlog.testing.LogCapture()
        structlog.configure(processors=[self.log], cache_logger_on_first_use=False)
        database = self.client["machine"]
        for name in ("tasks", "chunks", "workers"):
            database[name].delete_many({})
        self.world = World(self.runner.get_loop(), database, Path(self.folder.name), self.without)

    @initialize(workers=st.integers(1, 3), tasks=st.integers(1, 3), limit=st.integers(1, 4))
    def begin(self, workers: int, tasks: int, limit: int) -> None:
        """Some workers, some tasks, and perhaps a start."""
        for _ in range(workers):
            self.run(self.world.start())
        for _ in range(tasks):
            self.submit("long", "en", limit, on=True)

    # --- clients

    @rule(recording=st.sampled_from(NAMES), language=st.sampled_from([None, "en"]), limit=st.integers(1, 4), on=OFTEN)
    def submit(self, recording: str, language: str | None, limit: int, on: bool) -> None:
        """An upload, mostly taken up at once."""
        if len(self.world.asked) < MOST_TASKS:
            self.world.send(recording, language, limit)
        self.run(quiet())
        for _ in range(2 if on else 0):
            self.flow(0)

    @rule(which=ANY, what=st.sampled_from(["cancel", "retry", "retry", "delete"]))
    def ask(self, which: int, what: str) -> None:
        """Any task, whatever it is at."""
        if self.world.asked:
            task_id = self.world.asked[which % len(self.world.asked)]
            self.world.ask(getattr(self.world, what)(task_id))
        self.run(quiet())

    # --- the broker

    @rule(queue=st.sampled_from(Queue), which=ANY, whom=ANY, copy=st.booleans())
    def deliver(self, queue: Queue, which: int, whom: int, copy: bool) -> None:
        """Any message to anybody: late, early, doubled."""
        self.world.post.deliver(queue, which, whom, copy=copy)
        self.run(quiet())

    @rule(whom=ANY)
    def flow(self, whom: int) -> None:
        """All that waits now is delivered, in turns."""
        for queue in Queue:
            for place in range(len(self.world.post.waiting[queue])):
                self.world.post.deliver(queue, 0, whom + place)
        self.run(quiet())

    @rule(queue=st.sampled_from(Queue))
    def drop(self, queue: Queue) -> None:
        """All that waits in a queue is lost."""
        self.world.post.waiting[queue].clear()

    @rule(server=st.sampled_from(["broker", "database"]), seconds=st.sampled_from([0.5, 6.0, 40.0]), back=OFTEN)
    def outage(self, server: str, seconds: float, back: bool) -> None:
        """The broker goes away, and what was in hand waits again; or the database. Perhaps until the end."""
        if server == "broker":
            self.world.post.disconnect()
        setattr(self.world.away, server, True)
        self.wait(seconds)
        setattr(self.world.away, server, not back)

    @rule()
    def repair(self) -> None:
        """Both servers are there again."""
        self.world.away.broker = self.world.away.database = False

    # --- engines

    @rule(which=ANY, fails=RARELY)
    def engine(self, which: int, fails: bool) -> None:
        """A batch ends."""
        self.world.finish(which, fails=fails)
        self.run(quiet())

    @rule(fails=RARELY)
    def engines(self, fails: bool) -> None:
        """All batches end."""
        for _ in list(self.world.loop.waiting):
            self.world.finish(0, fails=fails)
        self.run(quiet())

    # --- processes

    @rule(whom=ANY, orders=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(Fault)), min_size=1, max_size=3))
    def order(self, whom: int, orders: list[tuple[int, Fault]]) -> None:
        """Some operations from now, something happens to a process."""
        self._anybody(whom).wire.orders += orders
        self.run(quiet())

    @rule(go=st.booleans())
    def decoders(self, go: bool) -> None:
        """All files stop somewhere in the middle, or go on."""
        (self.world.away.decoding.set if go else self.world.away.decoding.clear)()
        self.run(quiet())

    @rule(whom=ANY, crashed=st.booleans(), again=OFTEN)
    def kill(self, whom: int, crashed: bool, again: bool) -> None:
        """A worker is gone, by its work or from outside; mostly there is another soon."""
        if process := self._worker(whom):
            self.run(self.world.kill(process, crashed=crashed))
        if again:
            self.start()

    @rule()
    def start(self) -> None:
        """One more worker."""
        if len(self.world.workers) < MOST_WORKERS:
            self.run(self.world.start())

    @rule(whom=ANY, again=OFTEN)
    def terminate(self, whom: int, again: bool) -> None:
        """SIGTERM: it gives back what it does not finish in time; mostly there is another at once."""
        if again:
            self.start()
        process = self._worker(whom)
        if process and process.worker and not process.stopping:
            process.stopping = True
            process.worker.stop()
        self.run(quiet())

    @rule(whom=ANY, seconds=st.sampled_from([0.0, 6.0, 40.0]))
    def pause(self, whom: int, seconds: float) -> None:
        """It stands still, with all that it holds, perhaps for so long that it is taken for dead."""
        if process := self._worker(whom):
            process.wire.open.clear()
        self.wait(seconds)

    @rule(whom=ANY)
    def zombie(self, whom: int) -> None:
        """It stands still until others have its work, and goes on in the middle of theirs."""
        self.pause(whom, 40.0)
        self.flow(whom + 1)
        self.resume()

    @rule(whom=ANY, after=st.integers(0, 15), which=ANY)
    def hesitate(self, whom: int, after: int, which: int) -> None:
        """It stops between two operations that follow a batch, while others go on; and then it goes on too."""
        if process := self._worker(whom):
            process.wire.orders.append((after, Fault.PAUSE_BEFORE))
        self.engine(which, fails=False)
        self.engine(which + 1, fails=False)
        self.flow(whom + 1)
        self.engines(fails=False)
        self.wait(1.0)
        self.resume()

    @rule()
    def resume(self) -> None:
        """Who was paused goes on as if nothing had happened."""
        for process in [*self.world.workers.values(), self.world.api]:
            process.wire.open.set()
        self.run(quiet())

    @rule(seconds=st.sampled_from([1.0, 6.0, 6.0, 36.0]))
    def wait(self, seconds: float) -> None:
        """Timers: heartbeats, sweeps, delays. Nobody lets an engine's call grow too old."""
        for call in list(self.world.loop.waiting):
            if self.world.loop.now + seconds - call.since > PATIENCE_SECONDS and call.owner in self.world.workers:
                self.run(self.world.kill(self.world.workers[call.owner], crashed=False))
        self.run(advance(seconds))

    # --- what must hold

    @invariant()
    def holds(self) -> None:
        """After every step."""
        type(self).steps += 1
        self.run(self.world.bury())
        self.world.ledger.look(processes(self.world))
        unforeseen = [entry for entry in self.log.entries if entry.get("exc_info")]
        assert not unforeseen, unforeseen

    def teardown(self) -> None:
        """When the faults stop everything ends as it should."""
        try:
            self.run(calm(self.world))
            self.run(drain(self.world))
            self.holds()
            judge(self.world.ledger)
            self.run(leave(self.world))
        finally:
            self._close()

    def run(self, work: object) -> None:
        """On the machine's own loop."""
        self.runner.run(work)

    def _close(self) -> None:
        for process in [*self.world.workers.values(), self.world.api]:
            self.run(self.world.kill(process, crashed=False))
        self.runner.close()
        self.client.close()
        self.folder.cleanup()
        structlog.reset_defaults()

    def _worker(self, place: int) -> Process | None:
        """One of those that are at work, more often than another."""
        workers = list(self.world.workers.values())
        at_work = {call.owner for call in self.world.loop.waiting} | self.world.ledger.preparers
        busy = [each for each in workers if each.name in at_work]
        found = busy if busy and place % 4 else workers
        return found[place % len(found)] if found else None

    def _anybody(self, place: int) -> Process:
        everybody = [*self.world.workers.values(), self.world.api]
        return everybody[place % len(everybody)]
