"""The highest of a figure that is read again and again while something goes on."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

EVERY_SECONDS = 0.25  # to look for children costs ten milliseconds


@dataclass(kw_only=True)
class Peak:
    """What was the most so far."""

    bytes: int = 0


@contextlib.contextmanager
def peak_during(read: Callable[[], int]) -> Iterator[Peak]:
    """Read all through the block, on a thread; an error of ``read`` is raised at the end."""
    peak, over, errors = Peak(), threading.Event(), []

    def watch() -> None:
        try:
            while not over.is_set():
                peak.bytes = max(peak.bytes, read())
                over.wait(EVERY_SECONDS)
        except Exception as error:  # noqa: BLE001 - handed to the caller
            errors.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()
    if errors:
        raise errors[0]
