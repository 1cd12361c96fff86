"""What is the least time that a window can take on this machine, and how far from that is the engine?

`python -m benchmarks.roofline [--model base] [--minutes 8] [--seconds 2] [--json]`

The floor counts what Whisper's arithmetic cannot do without: the encoder's and the decoder's multiplications, at the
higher of the two rates at which this machine multiplies with all of its cores (matrices in OpenVINO, in the precision
that its encoder runs in; and the innermost loop of the 8-bit kernels, on numbers that stay in the nearest cache); and,
for each token, one reading of the decoder's weights by a batch and of the keys and values of each of its windows, one
byte a value, at the rate at which all cores together read memory. A token's step takes the longer of its two; the floor
of a window is the encoder's time and that of its tokens. One text a window (greedy), no second search.
"""

import argparse
import asyncio
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ending import end_in_order
from benchmarks.engine_alone import LANGUAGE, transcribe
from benchmarks.recording import SAMPLE, repeated, windows_of
from core.config import Settings, usable_cores
from core.engines.ct2_file import read_weights
from core.engines.inference import inference
from core.engines.model_files import ModelFiles
from core.engines.native.backend import MULTILINGUAL_TOKENS
from core.engines.openai_weights import dimensions
from core.engines.registry import build_engine, model_store
from core.engines.tokens import TokenBook
from core.models import SAMPLE_RATE, Options, Pcm
from tests.support.live import ROOT

BATCH = 8  # windows whose tokens share one reading of the weights
FRAMES = 1500  # that the encoder makes of a window
SIDE = 2048  # of the matrices that are multiplied for the rate
Act = Callable[[], object]
READ_BYTES = 256 * 1024 * 1024  # of the array that is read for the rate: more than any cache holds


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """Of one model. ``encoder_flops``: per window, with the keys and values for the decoder; the others per token."""

    encoder_flops: float
    token_flops: float
    weight_bytes: float
    window_bytes: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What all cores do together in a second: operations on floats, on bytes (a product and a sum are two), reading."""

    flops: float
    byte_ops: float
    bytes: float


def work_of(sizes: Mapping[str, int]) -> Work:
    """From the sizes of a model, named as OpenAI names them."""
    width, heard, layers = sizes["n_audio_state"], sizes["n_audio_layer"], sizes["n_text_layer"]
    stem = 2 * 3 * width * (2 * FRAMES * sizes["n_mels"] + FRAMES * width)
    layer = 2 * FRAMES * 12 * width**2 + 4 * FRAMES**2 * width
    shared = layers * 2 * FRAMES * 2 * width**2
    matrices = layers * 14 * width**2 + sizes["n_vocab"] * width  # own attention 4, the sound's 2, feed-forward 8
    attended = layers * 2 * FRAMES * width
    return Work(
        encoder_flops=stem + heard * layer + shared,
        token_flops=2 * (matrices + attended),
        weight_bytes=matrices,
        window_bytes=attended,
    )


def floor_seconds(work: Work, machine: Machine, tokens: float, *, batch: int = BATCH) -> dict[str, float]:
    """Of a window with so many tokens; on all cores, as its share of what they do."""
    rate = max(machine.flops, machine.byte_ops)
    arithmetic = work.token_flops / rate
    reading = (work.weight_bytes / batch + work.window_bytes) / machine.bytes
    encoder, decoder = work.encoder_flops / rate, tokens * max(arithmetic, reading)
    return {"encoder_seconds": encoder, "decoder_seconds": decoder, "floor_seconds": encoder + decoder}


def main() -> None:
    """Print the floor, the engine's time, and their ratio."""
    options = _options()
    end_in_order()
    settings = Settings(models_dir=Path(os.environ.get("MODELS_DIR", ROOT / "models")))
    files = model_store(settings).find(options.model)
    seconds = options.seconds
    machine = Machine(flops=_multiplied(seconds), byte_ops=_multiplied_bytes(seconds), bytes=_read(seconds))
    found = _measured(options, settings, files)
    floor = floor_seconds(work_of(dimensions(read_weights(files.weights))), machine, found["tokens_per_window"])
    figures = {"cores": usable_cores(), **asdict(machine), **floor, **found}
    figures["times_the_floor"] = found["seconds_per_window"] / floor["floor_seconds"]
    rounded = {name: float(f"{value:.4g}") for name, value in figures.items()}
    print(json.dumps(rounded) if options.json else _sentence(rounded))


def _measured(options: argparse.Namespace, settings: Settings, files: ModelFiles) -> dict[str, float]:
    """The engine with its default settings on the windows of the sample, from memory."""
    with tempfile.TemporaryDirectory(prefix="parascribe-benchmark-") as name:
        recording = repeated(SAMPLE, None, minutes=options.minutes, folder=Path(name))
        windows: list[Pcm] = asyncio.run(windows_of(recording.path))
    engine = build_engine(settings, files.name)
    engine.load()
    transcribe(engine, windows[: settings.slots], settings)
    done = transcribe(engine, windows, settings)
    book = TokenBook(files.tokenizer, multilingual=files.vocabulary_size() >= MULTILINGUAL_TOKENS)
    speaker = book.speaker(Options(model=files.name, language=LANGUAGE))
    seconds = sum(map(len, windows)) / SAMPLE_RATE
    return {
        "windows": float(len(windows)),
        "tokens_per_window": sum(len(speaker.encode(text)) + 1 for text in done.texts) / len(windows),
        "seconds_per_window": done.wall_seconds / len(windows),
        "realtime_factor": seconds / done.wall_seconds,
    }


def _multiplied(seconds: float) -> float:
    """Floating-point operations a second, a matrix product on each core at once."""
    from openvino import Model  # noqa: PLC0415
    from openvino import opset13 as ops  # noqa: PLC0415

    core = inference()
    given = ops.parameter([SIDE, SIDE], np.float32)
    weights = ops.constant(np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(np.float32))
    model = Model([ops.matmul(given, weights, transpose_a=False, transpose_b=True)], [given])
    native = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    hints = {"INFERENCE_PRECISION_HINT": "bf16" if native else "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    compiled = core.compile_model(model, "CPU", hints)
    rows = np.ones((SIDE, SIDE), dtype=np.float32)

    def worker() -> Act:
        request = compiled.create_infer_request()
        return lambda: request.infer({0: rows}, share_inputs=True)

    return 2.0 * SIDE**3 * _rate(worker, seconds)


def _multiplied_bytes(seconds: float) -> float:
    """The same of bytes, by the kernels' own loop: a tile of weights and as many rows as stay near."""
    from numba import njit  # noqa: PLC0415  heavy

    from core.engines.native.linear import new_rows, pack  # noqa: PLC0415  heavy
    from core.kernels.simd import GROUP, ROWS, TILE  # noqa: PLC0415  heavy
    from core.kernels.tiles import multiply_unsigned  # noqa: PLC0415  heavy

    inputs, rows, times = 256, 16, 400

    @njit(nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
    def products(values: Any, weights: Any, sums: Any) -> None:
        for _ in range(times):
            for first in range(0, rows, ROWS):
                multiply_unsigned(values, first, weights, sums, inputs // GROUP)

    def worker() -> Act:
        tile = pack([np.ones((TILE, inputs), np.float32)], [None]).tiles[0, 0]
        room = new_rows(rows, inputs)
        return lambda: products(room.values, tile, room.sums)

    return 2.0 * rows * TILE * inputs * times * _rate(worker, seconds)


def _read(seconds: float) -> float:
    """Bytes a second, a large array of its own read on each core at once."""

    def worker() -> Act:
        numbers = np.ones(READ_BYTES // 8, dtype=np.int64)
        return numbers.max

    return READ_BYTES * _rate(worker, seconds)


def _rate(worker: Callable[[], Act], seconds: float) -> float:
    """How often all cores together do something in a second."""
    counts: list[float] = []
    ready = threading.Barrier(usable_cores())

    def run() -> None:
        act = worker()
        act()
        ready.wait()
        began, count = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            act()
            count += 1
        counts.append(count / (time.monotonic() - began))

    threads = [threading.Thread(target=run) for _ in range(usable_cores())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def _sentence(found: Mapping[str, Any]) -> str:
    return (
        f"{found['cores']:.0f} cores: {found['flops'] / 1e9:.0f} GFLOP/s, {found['byte_ops'] / 1e9:.0f} G/s in 8 bits, "
        f"{found['bytes'] / 1e9:.1f} GB/s read\n"
        f"floor of a window with {found['tokens_per_window']:.0f} tokens: {1000 * found['floor_seconds']:.0f} ms "
        f"(encoder {1000 * found['encoder_seconds']:.0f}, decoder {1000 * found['decoder_seconds']:.0f})\n"
        f"engine: {1000 * found['seconds_per_window']:.0f} ms, {found['realtime_factor']:.1f} x real time, "
        f"{found['times_the_floor']:.1f} times the floor"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofline", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="base", help="the model (default: base)")
    parser.add_argument("--minutes", type=float, default=8.0, help="of audio for the engine (default: 8)")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each rate (default: 2)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    main()
