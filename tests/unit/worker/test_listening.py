"""Finding the language beside other files: whose time is counted, and on whose threads a model is loaded."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from core.config import Settings
from core.engines.fake import FakeEngine
from core.models import Options
from worker import listening
from worker.listening import Listener
from worker.prepare import SHORT_FILES
from worker.runtime import Worker
from worker.turns import Turn, Turns

TASK = SimpleNamespace(id="t", options=Options(model="base"))
DEADLINE = 0.2


class HungError(Exception):
    """Instead of the process's end."""


@pytest.fixture(autouse=True)
def _no_end(monkeypatch):
    def end(_run_file, **_what):
        raise HungError

    monkeypatch.setattr(listening, "end_hung_process", end)


def context(tmp_path, get, **settings):
    """Whose models are got like that."""
    return SimpleNamespace(
        settings=Settings(_env_file=None, data_dir=tmp_path, batch_deadline_seconds=DEADLINE, **settings),
        resources=SimpleNamespace(broker=None, tasks=None, chunks=None),
        credit=SimpleNamespace(herald=None),
        engines=SimpleNamespace(get=get),
        run_file=None,
        worker_id="w",
        clock=lambda: 0.0,
    )


@pytest.fixture
def one_thread():
    """On which files are cut."""
    with ThreadPoolExecutor(1) as threads:
        yield threads


async def test_waiting_for_a_thread_is_no_hang(tmp_path, one_thread):
    """Others may be cutting for longer than finding a language may take."""
    busy = threading.Event()
    one_thread.submit(busy.wait)
    with ThreadPoolExecutor(1) as loading:
        listener = Listener(context=context(tmp_path, lambda _: FakeEngine()), threads=one_thread, loading=loading)
        finding = asyncio.create_task(listener.language(TASK, [], Turn(Turns(1))))
        await asyncio.wait([finding], timeout=3 * DEADLINE)
        busy.set()
        assert (await finding).code == "en"


async def test_what_has_begun_has_a_deadline(tmp_path, one_thread):
    """It hangs: the process would end."""
    hangs = threading.Event()
    engine = SimpleNamespace(detect_language=lambda _: hangs.wait())
    with ThreadPoolExecutor(1) as loading:
        listener = Listener(context=context(tmp_path, lambda _: engine), threads=one_thread, loading=loading)
        try:
            with pytest.raises(HungError):
                await listener.language(TASK, [], Turn(Turns(1)))
        finally:
            hangs.set()


@pytest.mark.parametrize("jobs", [1, 3])
async def test_models_that_are_fetched_keep_no_file_from_being_cut(tmp_path, jobs):
    """As many at once as there may be files open, and the default model at the start."""
    fetched, at_it = threading.Event(), threading.Semaphore(0)

    def fetch(_: str) -> FakeEngine:
        at_it.release()
        fetched.wait()
        return FakeEngine()

    here = context(tmp_path, fetch, max_concurrent_jobs=jobs, max_parallel_workers=1)
    here.engines.warm = fetch
    worker = Worker(here)
    crew, many = worker._preparer._crew, jobs + SHORT_FILES
    work = [
        asyncio.create_task(one)
        for one in (worker._warm_up(), *(crew.listener.language(TASK, [], Turn(Turns(1))) for _ in range(many)))
    ]
    try:
        for _ in work:
            assert await asyncio.to_thread(at_it.acquire, timeout=10)
        cut = asyncio.get_running_loop().run_in_executor(crew.threads, lambda: "cut")
        assert await asyncio.wait_for(cut, 10) == "cut"
    finally:
        fetched.set()
        await asyncio.gather(*work)
        crew.threads.shutdown()
        crew.listener.loading.shutdown()
