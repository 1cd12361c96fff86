"""What was found about the size of batches, kept for the next start and for other workers of the same kind."""

import contextlib
import hashlib
import json
import platform
import secrets
from pathlib import Path

import structlog

from core.config import Settings
from core.engines.catalogue import canonical
from core.engines.circumstances import processor, versions
from core.graphics import graphics_cards
from core.models import Options
from worker.batching import TRIED, BatchSize, Finding

log = structlog.get_logger()


def usual_batch(settings: Settings) -> BatchSize:
    """As the settings say; with ``BATCH_SIZE=auto`` what is remembered, or what will be found."""
    alike = settings.engine != "faster-whisper"  # the others take windows one by one: no size is better
    told = settings.batch_size != "auto" or not settings.use_parallel_transcription or settings.crowded or alike
    options = Options(model=canonical(settings.default_whisper_model), beam_size=settings.beam_size)
    return BatchSize(of=options, slots=settings.slots, settled=settings.batch if told else _remembered(settings))


def remember(settings: Settings, found: Finding) -> None:
    """Tell of it, and keep it where that is possible. Of several workers that do so at once the last one's stays."""
    log.info("batch size settled", size=found.size, seconds_for_a_second_of_audio=found.seconds)
    of = _circumstances(settings)
    place = _place(settings, of)
    scratch = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(json.dumps({"of": of, "size": found.size, "seconds": found.seconds}), encoding="utf-8")
        scratch.replace(place)
    except OSError as error:
        log.info("the size of batches is not kept", reason=str(error))
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def _remembered(settings: Settings) -> int | None:
    of = _circumstances(settings)
    try:
        found = json.loads(_place(settings, of).read_text(encoding="utf-8"))
        return next((size for size in TRIED if found["of"] == of and found["size"] == size), None)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _place(settings: Settings, of: list[str]) -> Path:
    """A file for each, since workers of several kinds may share the folder."""
    digest = hashlib.sha256("\n".join(of).encode()).hexdigest()
    return settings.data_dir / "cache" / f"batch-{digest[:16]}.json"


def _circumstances(settings: Settings) -> list[str]:
    """What the finding holds for; in others it is sought anew."""
    names = ("engine", "device", "encoder", "decoder", "compute_type", "beam_size", "slots")
    told = [f"{name} {getattr(settings, name)}" for name in names]
    machine = [platform.machine(), processor(), f"cards {graphics_cards()}"]
    return [canonical(settings.default_whisper_model), *told, *machine, *versions()]
