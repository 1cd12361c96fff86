"""One log set-up for every process: events with fields, on a terminal readable, elsewhere one JSON object a line."""

import logging
import sys

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
    _install(_handlers(settings, shared), settings.log_level)


def _handlers(settings: Settings, shared: list[Processor]) -> list[logging.Handler]:
    colours = sys.stderr.isatty()
    console = settings.log_format == "console" or (settings.log_format == "auto" and colours)
    screen = logging.StreamHandler(sys.stderr)
    screen.setFormatter(_formatter(shared, console=console, colours=colours))
    if settings.log_file is None:
        return [screen]
    settings.log_file.parent.mkdir(parents=True, exist_ok=True)
    file = logging.FileHandler(settings.log_file, encoding="utf-8")
    file.setFormatter(_formatter(shared, console=console, colours=False))
    return [screen, file]


def _formatter(shared: list[Processor], *, console: bool, colours: bool) -> logging.Formatter:
    renderer = structlog.dev.ConsoleRenderer(colors=colours) if console else structlog.processors.JSONRenderer()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def _install(handlers: list[logging.Handler], level: str) -> None:
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    for noisy in ("pymongo", "asyncio", "httpx", "httpcore", "faster_whisper"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for hopeless in ("aiormq", "aio_pika"):  # a trace for every try to connect; the adapter says it in a sentence, once
        logging.getLogger(hopeless).setLevel(logging.CRITICAL)
