"""Break the distributed form on a seeded schedule, and check that nothing that was accepted is lost.

`python -m benchmarks.chaos [--quick] [--scenario NAME ...] [--guards] [--lanes N] [--seed N] [--json]`

Every scenario prints a line, the last line is the summary; the exit code is 1 where a promise was broken. What each
scenario does, and which of its waits are shorter than in production, is in docs/reference/chaos.md.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from benchmarks.chaos.catalogue import ALL
from benchmarks.chaos.report import Outcome, as_json, as_text, summary
from benchmarks.chaos.runner import Run, play_all, play_guards
from benchmarks.chaos.scenario import Scenario

QUICK_LANES = 2


def main() -> None:
    """Play, print, exit."""
    options = _options()
    _keep_quiet()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is ended
    outcomes = asyncio.run(_print_all(_playing(options), options.json))
    closing = summary(outcomes)
    print(as_json(closing) if options.json else closing)
    sys.exit(0 if closing["ok"] else 1)


def _playing(options: argparse.Namespace) -> AsyncIterator[Outcome]:
    if options.guards:
        return play_guards(_chosen(options), _run(options))
    lanes = options.lanes or (QUICK_LANES if options.quick else 1)
    return play_all(_chosen(options), _run(options), lanes=lanes)


def _run(options: argparse.Namespace) -> Run:
    return Run(seed=options.seed, quick=options.quick, logs=options.logs)


def _keep_quiet() -> None:
    """What the adapters say in this process is no news: it is we who cut their connections."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


async def _print_all(playing: AsyncIterator[Outcome], json_lines: bool) -> list[Outcome]:
    outcomes = []
    async for outcome in playing:
        outcomes.append(outcome)
        print(as_json(outcome.line) if json_lines else as_text(outcome), flush=True)
    return outcomes


def _chosen(options: argparse.Namespace) -> list[Scenario]:
    if options.scenario:
        return [scenario for scenario in ALL if scenario.name in options.scenario]
    return [scenario for scenario in ALL if not options.quick or scenario.quick is not None]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the short form, for CI")
    parser.add_argument("--scenario", nargs="+", choices=[scenario.name for scenario in ALL], metavar="NAME")
    parser.add_argument(
        "--guards", action="store_true", help="show that fence, confirms, sweeper and watchdog are each needed"
    )
    parser.add_argument("--lanes", type=int, help="how many scenarios at once; by default 1, in the quick form 2")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--logs", type=Path, help="keep what each process has printed in this folder")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, the last one the summary")
    return parser.parse_args()


if __name__ == "__main__":
    main()
