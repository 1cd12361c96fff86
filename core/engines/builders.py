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
from core.engines.ctranslate2 import CTranslate2Backend, load_model
from core.engines.faster_whisper import FasterWhisperEngine
from core.engines.model_files import ModelFiles
from core.errors import InvalidRequestError

if TYPE_CHECKING:
    from core.engines.ct2_file import Weights
    from core.engines.native.backend import Encoder

log = structlog.get_logger()


def build_whisper(settings: Settings, files: ModelFiles) -> FasterWhisperEngine:
    """An engine that is not loaded yet."""
    return FasterWhisperEngine(partial(_backend, settings, files), name=files.name)


def _backend(settings: Settings, files: ModelFiles) -> Backend:
    device = _device(settings)
    if settings.engine == "openai-whisper":
        return _openai(files, device)
    if settings.decoder == "compiled" and device == "cpu":
        return _compiled(settings, files)
    return CTranslate2Backend(_ctranslate2(settings, files, device), files)


def _device(settings: Settings) -> str:
    import ctranslate2  # noqa: PLC0415  heavy: only where a model is loaded

    if settings.device == "auto":
        return "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"
    return settings.device


def _ctranslate2(settings: Settings, files: ModelFiles, device: str) -> Any:
    """One worker more than there are slots, so that finding a new task's language does not wait for a running batch."""
    kind = settings.compute_type
    if kind == "auto":
        kind = "float16" if device == "cuda" else "int8"
    return load_model(files, device=device, compute_type=kind, workers=settings.slots + 1)


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
    if importlib.util.find_spec("numba") is None:
        message = "DECODER=compiled needs the extra `fast`: pip install 'parascribe[fast]', or DECODER=ctranslate2."
        raise InvalidRequestError(message, code="invalid_settings")
    from core.engines.ct2_file import read_weights  # noqa: PLC0415  the extra
    from core.engines.native.backend import NativeBackend, Shape  # noqa: PLC0415  the extra
    from core.engines.native.model import load_model as load_decoder  # noqa: PLC0415  the extra

    weights = read_weights(files.weights)
    shape = Shape.of(_facts(files), vocabulary=len(weights["decoder/embeddings/weight"]))
    return NativeBackend(load_decoder(weights), _encoder(settings, files, weights), shape, files)


def _encoder(settings: Settings, files: ModelFiles, weights: "Weights") -> "Encoder":
    from core.engines.native.encoders import CTranslate2Encoder, OpenVinoEncoder  # noqa: PLC0415  the extra

    there = importlib.util.find_spec("openvino") is not None
    if settings.encoder == "ctranslate2" or (settings.encoder == "auto" and not there):
        return CTranslate2Encoder(_ctranslate2(settings, files, "cpu"), weights)
    if not there:
        message = "ENCODER=openvino needs the extra `fast`: pip install 'parascribe[fast]', or ENCODER=ctranslate2."
        raise InvalidRequestError(message, code="invalid_settings")
    return OpenVinoEncoder(weights, _cache(settings))


def _cache(settings: Settings) -> Path | None:
    """Where compiled graphs are kept; without it they are compiled at every start, which takes a moment longer."""
    folder = settings.data_dir / "cache" / "openvino"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        log.info("compiled models are not kept", folder=str(folder), reason=str(error))
        return None
    return folder
