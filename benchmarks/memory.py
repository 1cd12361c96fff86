"""How much memory does a transcription take: by the length of the audio, and by the number of slots?

`python -m benchmarks.memory [--minutes 10 60 600] [--slots 1 2 4] [--engine faster-whisper] [--json]`

The sample, repeated to each length, through the service with two slots; then the shortest length with each number of
slots. What is counted is resident memory, at its highest, of the process that transcribes and of its decoder, the API
included; the database is a process of its own and not counted. Every figure is from a service that has transcribed a
clip before: at its very first start it compares encoders in a process beside it, for a moment, which is not counted.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.ending import end_in_order
from benchmarks.recording import SAMPLE, repeated
from tests.support.live import ROOT, serving
from tests.support.peak import peak_during

SLOTS = 2
WARM_UP = ROOT / "tests" / "data" / "librivox-0880.wav"
PATIENCE_SECONDS = 4 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """Of one transcription."""

    minutes: float
    slots: int
    megabytes: float


def main() -> None:
    """Print a line a run and a summary."""
    options = _options()
    end_in_order()
    lengths = [(minutes, SLOTS) for minutes in sorted(options.minutes)]
    widths = [(min(options.minutes), slots) for slots in sorted(options.slots)]
    peaks: list[Peak] = []
    for minutes, slots in dict.fromkeys([*lengths, *widths]):
        peaks.append(measure(options.audio, minutes, slots, options.engine))
        print(json.dumps(asdict(peaks[-1])) if options.json else _sentence(peaks[-1]), flush=True)
    summary = summarise(peaks)
    print(json.dumps(summary) if options.json else _closing(summary))


def measure(audio: Path, minutes: float, slots: int, engine: str) -> Peak:
    """One recording through a service of its own."""
    with tempfile.TemporaryDirectory(prefix="parascribe-benchmark-") as name:
        recording = repeated(audio, None, minutes=minutes, folder=Path(name))
        with serving(Path(name), engine=engine, max_parallel_workers=slots) as service:
            service.transcribe(WARM_UP, WARM_UP.name, PATIENCE_SECONDS, language="en")
            with peak_during(service.resident_bytes) as peak:
                service.transcribe(recording.path, "recording.wav", PATIENCE_SECONDS, language="en")
        return Peak(minutes=recording.seconds / 60, slots=slots, megabytes=peak.bytes / 1e6)


def summarise(peaks: Sequence[Peak]) -> dict[str, Any]:
    """``length_ratio``: the longest over the shortest; ``slots_ratio``: the most slots over the fewest."""
    by_length = sorted((peak for peak in peaks if peak.slots == SLOTS), key=lambda peak: peak.minutes)
    shortest = min(peak.minutes for peak in peaks)
    by_slots = sorted((peak for peak in peaks if peak.minutes == shortest), key=lambda peak: peak.slots)
    return {
        "summary": True,
        "length_ratio": round(by_length[-1].megabytes / by_length[0].megabytes, 3),
        "slots_ratio": round(by_slots[-1].megabytes / by_slots[0].megabytes, 3),
        "peaks": [asdict(peak) for peak in peaks],
    }


def _sentence(peak: Peak) -> str:
    return f"{peak.minutes:7.1f} min   {peak.slots:2} slots   {peak.megabytes:7.0f} MB"


def _closing(summary: Mapping[str, Any]) -> str:
    return (
        f"\nlongest over shortest audio {summary['length_ratio']:.2f}, "
        f"most over fewest slots {summary['slots_ratio']:.2f}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, default=SAMPLE, help="any audio file (default: the sample)")
    lengths, slots = [10.0, 60.0, 600.0], [1, 2, 4]
    parser.add_argument("--minutes", type=float, nargs="+", default=lengths, help="lengths (default: 10 60 600)")
    parser.add_argument("--slots", type=int, nargs="+", default=slots, help="numbers of slots (default: 1 2 4)")
    parser.add_argument(
        "--engine", choices=["faster-whisper", "fake"], default="faster-whisper", help="fake: what is not the model's"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the last one the summary")
    return parser.parse_args()


if __name__ == "__main__":
    main()
