"""The API under load, while a worker uses all cores: `python -m benchmarks.load`."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from benchmarks.load_client import Lines, Order, Tally, summary
from benchmarks.private.rabbit import installed
from benchmarks.wave import silent_wave
from tests.support.live import ROOT

needs_broker = pytest.mark.skipif(
    not installed() and not os.environ.get("CI"), reason="needs RabbitMQ (Debian: apt install rabbitmq-server)"
)

MOST_P99_MS, MOST_RSS_MB = 100.0, 250.0


def load(*options: str) -> dict:
    """What the command prints; it must leave with 0."""
    command = [sys.executable, "-m", "benchmarks.load", "--json", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_percentiles_are_those_of_the_polls_that_were_due():
    """One poll of a hundred that takes long is the longest, and not yet the 99th percentile."""
    order = Order(port=0, path="", rate=1.0, seconds=1.0, uploads=1, upload_bytes=1_000_000)
    polls = [(float(due), 0.5 if due == 50 else 0.01) for due in range(100)]
    figures = summary(order, Tally(polls=polls, uploading=(40.0, 60.0), uploads=1))
    assert (figures["polls"], figures["p99_ms"], figures["max_ms"]) == (100, 10.0, 500.0)
    assert (figures["polls_uploading"], figures["p99_uploading_ms"]) == (21, 500.0)
    assert figures["upload_mb_per_second"] == 0.1  # 1 MB in 20 s, rounded


def test_a_wave_has_the_size_that_was_asked_for():
    """Header included, whatever the pieces are."""
    assert sum(map(len, silent_wave(100_001, 4_096))) == 100_001


async def test_a_connection_that_the_server_has_closed_is_not_used_again():
    """A server closes those that nobody uses; a poll on such a one would be an error that no client need see."""

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server:
        lines = Lines(server.sockets[0].getsockname()[1])
        assert await lines.get("/") == 200
        await asyncio.sleep(0.1)
        assert await lines.get("/") == 200
        await lines.close()


@needs_broker
def test_polls_and_uploads_are_counted():
    """A little of both, with an engine that only waits: every poll is answered and every upload accepted."""
    figures = load(
        *("--engine", "fake", "--minutes", "4", "--seconds", "2", "--rate", "20", "--uploads", "2", "--megabytes", "1")
    )
    assert figures["errors"] == {}
    assert figures["uploads"] == 2
    assert figures["polls"] >= 40
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]
    assert 20 < figures["rss_mb"] < MOST_RSS_MB


@pytest.mark.slow
@needs_broker
def test_polls_stay_prompt_under_load():
    """200 polls a second and 20 uploads of 50 MB beside the real model, on a machine that does nothing else."""
    figures = load()
    print(figures)  # noqa: T201 - the figure
    assert figures["worker_still_busy"]
    assert (figures["errors"], figures["uploads"]) == ({}, 20)
    assert figures["p99_ms"] < MOST_P99_MS
    assert figures["p99_uploading_ms"] < MOST_P99_MS
    assert figures["rss_mb"] < MOST_RSS_MB
