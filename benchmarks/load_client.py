"""Polls and uploads, from a process of their own: `python -m benchmarks.load_client ORDER` (JSON) prints one object.

Open loop: polls are sent when they are due, whatever became of those before, and a poll's latency counts from the
moment at which it was due. So a server that stands still for a second is seen to make 200 clients wait.
"""

import asyncio
import json
import math
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.wave import silent_wave

PIECE_BYTES = 256 * 1024
BOUNDARY = "parascribe-load"
GIVE_UP_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What to do: poll ``path`` so often a second, for ``seconds`` and until the uploads are through."""

    port: int
    path: str
    rate: float
    seconds: float
    uploads: int
    upload_bytes: int


@dataclass(kw_only=True, slots=True)
class Tally:
    """What was seen. Polls as (due, latency), in seconds from the start."""

    polls: list[tuple[float, float]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    uploading: tuple[float, float] = (0.0, 0.0)  # from the first byte to the last answer
    uploads: int = 0


class Lines:
    """Connections that are kept; one more is opened where all are in use."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def get(self, path: str) -> int:
        """Ask; the status. A connection that broke is not used again."""
        reader, writer = self._kept() or await self.open()
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            status = await answer(reader)
        except BaseException:
            writer.close()
            raise
        self._free.append((reader, writer))
        return status

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """One that the server has not closed meanwhile, as it does with those that nobody uses."""
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    async def close(self) -> None:
        """Those that are kept."""
        for _, writer in self._free:
            writer.close()
            await writer.wait_closed()

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection."""
        return await asyncio.open_connection("127.0.0.1", self._port)


async def answer(reader: asyncio.StreamReader) -> int:
    """Read one answer to its end; its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    lengths = [line.split(":")[1] for line in head.split("\r\n") if line.startswith("content-length:")]
    await reader.readexactly(int(lengths[0]))
    return int(head.split(" ", 2)[1])


async def work(order: Order) -> Tally:
    """Poll and upload."""
    tally, lines, began = Tally(), Lines(order.port), time.monotonic()
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(_uploads(order, lines, tally, began))
        due = 0.0
        while due < order.seconds or not sending.done():
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
            group.create_task(_poll(order, lines, tally, began, due))
            due += 1 / order.rate
    await lines.close()
    return tally


async def _poll(order: Order, lines: Lines, tally: Tally, began: float, due: float) -> None:
    try:
        async with asyncio.timeout(GIVE_UP_SECONDS):
            status = await lines.get(order.path)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        tally.errors[type(error).__name__] += 1
        return
    tally.polls.append((due, time.monotonic() - began - due))
    if status != 200:
        tally.errors[str(status)] += 1


async def _uploads(order: Order, lines: Lines, tally: Tally, began: float) -> None:
    """All at once, after a second of polls alone."""
    await asyncio.sleep(1.0)
    first = time.monotonic() - began
    await asyncio.gather(*(_upload(order, lines, tally) for _ in range(order.uploads)))
    tally.uploading = (first, time.monotonic() - began)


async def _upload(order: Order, lines: Lines, tally: Tally) -> None:
    reader, writer = await lines.open()
    try:
        for piece in _form(order.upload_bytes):
            writer.write(piece)
            await writer.drain()
        status = await answer(reader)
    except (OSError, asyncio.IncompleteReadError) as error:
        tally.errors[type(error).__name__] += 1
        return
    finally:
        writer.close()
    tally.uploads += status == 202
    if status != 202:
        tally.errors[f"upload {status}"] += 1


def _form(size: int) -> Iterator[bytes]:
    """A request as a browser or curl makes it: a form with the file in it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="load.wav"\r\n\r\n'.encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    length = len(head) + size + len(tail)
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    lines = ["POST /api/v1/tasks/upload HTTP/1.1", "Host: localhost", f"Content-Type: {kind}"]
    yield "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode() + head
    yield from silent_wave(size, PIECE_BYTES)
    yield tail


def summary(order: Order, tally: Tally) -> dict[str, Any]:
    """The figures; ``p99_uploading_ms``: of the polls that were due while uploads were under way."""
    first, last = tally.uploading
    latencies = sorted(latency for _, latency in tally.polls)
    busy = sorted(latency for due, latency in tally.polls if first <= due <= last)
    megabytes = tally.uploads * order.upload_bytes / 1e6
    return {
        "polls": len(latencies),
        "polls_uploading": len(busy),
        "p50_ms": _percentile(latencies, 50),
        "p99_ms": _percentile(latencies, 99),
        "p99_uploading_ms": _percentile(busy, 99),
        "max_ms": _percentile(latencies, 100),
        "uploads": tally.uploads,
        "upload_seconds": round(last - first, 2),
        "upload_mb_per_second": round(megabytes / max(last - first, 1e-9), 1),
        "errors": dict(tally.errors),
    }


def _percentile(values: Sequence[float], share: float) -> float | None:
    """In milliseconds; the smallest value that so many of a hundred do not exceed."""
    if not values:
        return None
    return round(1000 * values[max(0, math.ceil(len(values) * share / 100) - 1)], 1)


def main() -> None:
    """Do what the argument says."""
    order = Order(**json.loads(sys.argv[1]))
    print(json.dumps(summary(order, asyncio.run(work(order)))), flush=True)


def command(order: Order) -> list[str]:
    """What runs this module."""
    return [sys.executable, "-P", "-m", "benchmarks.load_client", json.dumps(asdict(order))]


if __name__ == "__main__":
    main()
