"""What runs a model, by the settings: CTranslate2, the compiled decoder with an encoder of one's choice, or PyTorch."""

import importlib.util
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from core.config import Settings
from core.engines.backend import Backend
from core.engines.ct2_file import Weights, read_plain_weights
from core.engines.ctranslate2 import CTranslate2Backend, Places, StatesEncoder, load_model
from core.engines.encoder_choice import fastest_encoder
from core.engines.faster_whisper import FasterWhisperEngine, Settle
from core.engines.model_files import ModelFiles
from core.engines.openvino_encoder import OpenVinoEncoder
from core.engines.quality import settle
from core.errors import InvalidRequestError, ModelCorruptError
from core.graphics import graphics_cards

if TYPE_CHECKING:
    from core.engines.native.backend import Encoder

log = structlog.get_logger()


def build_whisper(settings: Settings, files: ModelFiles, *, settle: Settle = settle) -> FasterWhisperEngine:
    """An engine that is not loaded yet. ``settle``: see :class:`core.engines.faster_whisper.FasterWhisperEngine`."""
    return FasterWhisperEngine(partial(_backend, settings, files), name=files.name, settle=settle)


def _backend(settings: Settings, files: ModelFiles) -> Backend:
    device = _device(settings)
    if settings.engine == "openai-whisper":
        return _openai(files, device)
    if device == "cuda":
        return CTranslate2Backend(_ctranslate2(settings, files, device), files)
    if _compiles(settings, files):
        return _compiled(settings, files)
    return CTranslate2Backend(_ctranslate2(settings, files, device), files, _other_encoder(settings, files))


def _compiles(settings: Settings, files: ModelFiles) -> bool:
    """The kernels are made for AVX-512 VNNI; elsewhere they are right, but not fast."""
    if settings.decoder != "auto":
        return settings.decoder == "compiled"
    from core.kernels.simd import has_vnni  # noqa: PLC0415  brings a compiler

    return has_vnni() and _is_plain(files)


def _is_plain(files: ModelFiles) -> bool:
    """Whether more than CTranslate2 itself can read the weights."""
    try:
        return bool(read_plain_weights(files.weights))
    except ModelCorruptError:
        return False


def _device(settings: Settings) -> str:
    if settings.device == "auto":
        return "cuda" if graphics_cards() > 0 else "cpu"
    return settings.device


def _ctranslate2(settings: Settings, files: ModelFiles, device: str) -> Any:
    places = places_of(settings.slots, graphics_cards() if device == "cuda" else 1)
    return load_model(files, device=device, compute_type=_compute_type(settings, device), places=places)


def places_of(slots: int, cards: int) -> Places:
    """One worker more than there are slots, so that finding a new task's language does not wait for a running batch.
    Slots are spread over the cards; one that nobody sees is left to CTranslate2, which says what it lacks.
    """
    cards = max(1, min(cards, slots))
    return Places(workers=-(-slots // cards) + 1, cards=tuple(range(cards)))


def _compute_type(settings: Settings, device: str) -> str:
    if settings.compute_type != "auto":
        return settings.compute_type
    return "float16" if device == "cuda" else "int8"


def _openai(files: ModelFiles, device: str) -> Backend:
    if importlib.util.find_spec("whisper") is None:
        message = "ENGINE=openai-whisper needs the extra `openai`: pip install 'parascribe[openai]'."
        raise InvalidRequestError(message, code="invalid_settings")
    from core.engines.openai_whisper import OpenAIBackend, load_model  # noqa: PLC0415  the extra

    heads = np.array(_facts(files)["alignment_heads"], np.int64).reshape(-1, 2)
    return OpenAIBackend(load_model(files, device), files, heads)


def _facts(files: ModelFiles) -> Any:
    return json.loads((files.path / "config.json").read_text(encoding="utf-8"))


def _compiled(settings: Settings, files: ModelFiles) -> Backend:
    from core.engines.native.backend import NativeBackend, Shape  # noqa: PLC0415  heavy
    from core.engines.native.model import load_model as load_decoder  # noqa: PLC0415  heavy

    weights = read_plain_weights(files.weights)
    shape = Shape.of(_facts(files), vocabulary=len(weights["decoder/embeddings/weight"]))
    backend = NativeBackend(load_decoder(weights), _encoder(settings, files, weights), shape, files)
    backend.warm()
    return backend


def _encoder(settings: Settings, files: ModelFiles, weights: Weights) -> "Encoder":
    from core.engines.native.hearing import CompiledEncoder  # noqa: PLC0415  heavy
    from core.engines.native.quantised import QuantisedCTranslate2, QuantisedOpenVino  # noqa: PLC0415  heavy

    name = _encoder_name(settings, files)
    if name == "compiled":
        return CompiledEncoder(weights)
    if name == "openvino":
        return QuantisedOpenVino(_openvino(settings, files, keys=True))
    return QuantisedCTranslate2(_ctranslate2(settings, files, "cpu"), weights)


def _other_encoder(settings: Settings, files: ModelFiles) -> StatesEncoder | None:
    """In place of CTranslate2's own; None for that."""
    name = _encoder_name(settings, files)
    if name == "ctranslate2":
        return None
    if name == "openvino":
        return _openvino(settings, files, keys=False)
    from core.engines.native.hearing import CompiledEncoder  # noqa: PLC0415  heavy

    return CompiledEncoder(read_plain_weights(files.weights))


def _encoder_name(settings: Settings, files: ModelFiles) -> str:
    if settings.encoder != "auto":
        return settings.encoder
    if not _is_plain(files):
        return "ctranslate2"
    return fastest_encoder(files, _compute_type(settings, "cpu"), _cache(settings))


def _openvino(settings: Settings, files: ModelFiles, *, keys: bool) -> OpenVinoEncoder:
    exact = _compute_type(settings, "cpu") == "float32"
    weights = read_plain_weights(files.weights)
    return OpenVinoEncoder(weights, _cache(settings), streams=settings.slots, keys=keys, exact=exact)


def _cache(settings: Settings) -> Path | None:
    """Where compiled graphs are kept; without it they are compiled at every start, which takes a moment longer."""
    folder = settings.data_dir / "cache" / "openvino"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        log.info("compiled models are not kept", folder=str(folder), reason=str(error))
        return None
    return folder
