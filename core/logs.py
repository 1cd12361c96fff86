"""One log set-up for every process: events with fields, on a terminal readable, elsewhere one JSON object a line."""

import logging
import sys
from pathlib import Path

import structlog
from structlog.typing import Processor

from core.config import Settings


def configure(settings: Settings) -> None:
    """Send structlog and the standard library's loggers through the same lines to stderr, and to ``LOG_FILE``."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(settings)],
    )
    _install(_handlers(settings.log_file), formatter, settings.log_level)


def _renderer(settings: Settings) -> Processor:
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    return structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()


def _handlers(log_file: Path | None) -> list[logging.Handler]:
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log_file is not None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log_file, encoding="utf-8"))
    return handlers


def _install(handlers: list[logging.Handler], formatter: logging.Formatter, level: str) -> None:
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel(level)
    for noisy in ("pymongo", "asyncio", "httpx", "httpcore", "faster_whisper"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
