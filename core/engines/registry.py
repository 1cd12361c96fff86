"""The engines of one process, one for each model in use."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from core.config import Settings
from core.engines.catalogue import canonical
from core.engines.models import ModelStore
from core.ports import Engine

KEPT_MODELS = 2  # a third one pushes out the one that was not used for longest


class EngineRegistry:
    """Loads engines when they are first asked for. Safe from any thread; loading one model does not hold up another."""

    def __init__(self, settings: Settings, *, build: Callable[[Settings, str], Engine] | None = None) -> None:
        self._settings = settings
        self._build = build or build_engine
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

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
            entry = self._entries.setdefault(model, _Entry())
            self._entries.move_to_end(model)
            while len(self._entries) > KEPT_MODELS:
                # Whoever still works with it holds it; its memory goes with the last of them.
                self._entries.popitem(last=False)
            return entry


class _Entry:
    """One model's engine and the lock under which it is loaded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: Engine | None = None

    def loaded(self, build: Callable[[], Engine]) -> Engine:
        with self._lock:
            if self._engine is None:
                engine = build()
                engine.load()
                self._engine = engine
            return self._engine


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
