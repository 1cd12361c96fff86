"""How our processes end: exit codes, and what the signals of whoever runs them mean."""

import asyncio
import os
import signal
from collections.abc import Callable

EXIT_UNAVAILABLE = 69  # EX_UNAVAILABLE: something we need is away; starting again may help
EXIT_HUNG = 70  # EX_SOFTWARE: an engine hung; starting again helps
EXIT_CONFIG = 78  # EX_CONFIG: starting again cannot help

ENDING = (signal.SIGTERM, signal.SIGINT)


def on_signal(stop: Callable[[], None]) -> None:
    """On the running loop: the first SIGTERM or Ctrl-C calls ``stop``, a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        for number in ENDING:
            loop.remove_signal_handler(number)
            signal.signal(number, _end_at_once)
        stop()

    for number in ENDING:
        loop.add_signal_handler(number, first)


def _end_at_once(number: int, _frame: object) -> None:
    os._exit(128 + number)
