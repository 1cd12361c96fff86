"""The engines of one process, one for each model in use."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from core.config import Settings
from core.engines.catalogue import canonical
from core.engines.models import ModelStore
from core.ports import Engine

KEPT_MODELS = 2  # a third one pushes out the one that was not used for longest
LOADS_AT_ONCE = 2  # each takes more memory than what stays of it; fetching them first takes none


class EngineRegistry:
    """Loads engines when they are first asked for. Safe from any thread; loading one model does not hold up another."""

    def __init__(self, settings: Settings, *, build: Callable[[Settings, str], Engine] | None = None) -> None:
        self._settings = settings
        self._build = build or build_engine
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._loads = threading.BoundedSemaphore(LOADS_AT_ONCE)

    def get(self, model: str) -> Engine:
        """The loaded engine of a model. Raises as :meth:`core.engines.models.ModelStore.find` and ``Engine.load`` do.

        A failure is not remembered: the next call tries again.
        """
        return self._entry(canonical(model)).loaded(lambda: self._build(self._settings, canonical(model)))

    def warm(self, model: str) -> None:
        """Load a model now, so that the first window need not wait for it."""
        self.get(model)

    def _entry(self, model: str) -> "_Entry":
        with self._lock:
            entry = self._entries.setdefault(model, _Entry(self._loads))
            self._entries.move_to_end(model)
            # One that is being loaded stays: whoever asked for it next would load, or even fetch, it once more.
            loaded = [name for name, each in self._entries.items() if each.engine is not None and name != model]
            for name in loaded[: max(0, len(self._entries) - KEPT_MODELS)]:
                del self._entries[name]  # whoever still works with it holds it; its memory goes with the last of them
            return entry


class _Entry:
    """One model's engine and the lock under which it is loaded. ``loads``: places for those that load."""

    def __init__(self, loads: threading.BoundedSemaphore) -> None:
        self._lock = threading.Lock()
        self._loads = loads
        self.engine: Engine | None = None

    def loaded(self, build: Callable[[], Engine]) -> Engine:
        with self._lock:
            if self.engine is None:
                engine = build()
                with self._loads:
                    engine.load()
                self.engine = engine
            return self.engine


def build_engine(settings: Settings, model: str) -> Engine:
    """A new engine of the kind that ``ENGINE`` names, not yet loaded; only that kind's module is imported."""
    if settings.engine == "fake":
        from core.engines.fake import FakeEngine  # noqa: PLC0415  one adapter per process

        return FakeEngine.from_json(settings.fake_engine)
    from core.engines.builders import build_whisper  # noqa: PLC0415  one adapter per process

    return build_whisper(settings, model_store(settings).find(model))


def model_store(settings: Settings) -> ModelStore:
    """The store of models that the settings describe."""
    return ModelStore(settings.models_dir, download=settings.model_download)
