"""Engines are built once, kept while in use, and loaded side by side."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.config import Settings
from core.engines.fake import FakeEngine
from core.engines.registry import LOADS_AT_ONCE, EngineRegistry, build_engine
from core.errors import EngineError
from core.models import Language, Options, Window, WindowResult
from core.ports import Engine, never

SETTINGS = Settings(engine="fake")


class Stub:
    """An engine that only loads, by whatever it was given to do then."""

    def __init__(self, load: Callable[[], None] = lambda: None) -> None:
        self._load = load

    def load(self) -> None:
        self._load()

    def detect_language(self, windows: Sequence[Window]) -> Language:
        return Language(code="en", probability=1.0)

    def transcribe(
        self, windows: Iterable[Window], options: Options, cancelled: Callable[[], bool] = never
    ) -> list[WindowResult]:
        return []


def test_an_engine_is_built_and_loaded_once_for_all_threads() -> None:
    """However many ask at the same time."""
    loads: list[str] = []
    registry = EngineRegistry(SETTINGS, build=lambda _, model: Stub(lambda: loads.append(model)))
    with ThreadPoolExecutor(8) as pool:
        engines = set(pool.map(lambda _: registry.get("base"), range(8)))
    assert len(engines) == 1
    assert loads == ["base"]


def test_loading_one_model_does_not_hold_up_another() -> None:
    """The lock is the model's, not the registry's."""
    slow_is_loading, go_on = threading.Event(), threading.Event()

    def load_slowly() -> None:
        slow_is_loading.set()
        assert go_on.wait(30)

    def build(_: Settings, model: str) -> Engine:
        return Stub(load_slowly) if model == "slow" else Stub()

    registry = EngineRegistry(SETTINGS, build=build)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(registry.get, "slow")
        assert slow_is_loading.wait(30)
        assert registry.get("quick")
        assert not slow.done()
        go_on.set()
        assert slow.result(30)


def test_the_two_models_used_last_are_kept() -> None:
    """A third one pushes out the one not used for longest."""
    registry = EngineRegistry(SETTINGS, build=lambda *_: Stub())
    first, second = registry.get("a"), registry.get("b")
    assert registry.get("a") is first
    registry.get("c")
    assert registry.get("a") is first
    assert registry.get("b") is not second


def test_a_failed_load_is_tried_again() -> None:
    """A passing failure does not stick to the process."""
    outcomes = iter([EngineError("no memory just now"), None])

    def load() -> None:
        if error := next(outcomes):
            raise error

    registry = EngineRegistry(SETTINGS, build=lambda *_: Stub(load))
    with pytest.raises(EngineError):
        registry.warm("base")
    registry.warm("base")


def test_an_alias_is_the_same_engine() -> None:
    """turbo is large-v3-turbo."""
    registry = EngineRegistry(SETTINGS, build=lambda *_: Stub())
    assert registry.get("turbo") is registry.get("large-v3-turbo")


def test_the_fake_comes_from_its_setting() -> None:
    """ENGINE=fake and FAKE_ENGINE."""
    assert isinstance(build_engine(SETTINGS, "base"), FakeEngine)


def test_importing_the_registry_imports_nothing_heavy() -> None:
    """An API process never pays for CTranslate2, and the fake needs none of it."""
    program = (
        "import sys; from core.config import Settings; from core.engines.registry import EngineRegistry\n"
        "import core.engines.faster_whisper\n"
        "EngineRegistry(Settings(engine='fake')).get('base')\n"
        "print([m for m in ('ctranslate2', 'faster_whisper', 'tokenizers', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_that_is_being_loaded_is_not_pushed_out() -> None:
    """Whoever asked for it next would load it, or fetch it, once more beside the first."""
    slow_is_loading, go_on = threading.Event(), threading.Event()
    loads: list[str] = []

    def build(_: Settings, model: str) -> Engine:
        def load() -> None:
            loads.append(model)
            if model == "slow":
                slow_is_loading.set()
                assert go_on.wait(30)

        return Stub(load)

    registry = EngineRegistry(SETTINGS, build=build)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(registry.get, "slow")
        assert slow_is_loading.wait(30)
        for other in ("base", "tiny", "small"):
            registry.get(other)
        second = pool.submit(registry.get, "slow")
        go_on.set()
        assert first.result(30) is second.result(30)
    assert loads.count("slow") == 1


def test_few_models_are_loaded_at_once() -> None:
    """Each takes more memory meanwhile than what stays of it."""
    inside, most, lock = 0, 0, threading.Lock()

    def load() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.05)
        with lock:
            inside -= 1

    registry = EngineRegistry(SETTINGS, build=lambda _, __: Stub(load))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(registry.get, [f"model-{number}" for number in range(6)]))
    assert most == LOADS_AT_ONCE
