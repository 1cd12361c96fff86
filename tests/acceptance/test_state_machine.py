"""Whole workers, driven step by step through whatever may go wrong, by Hypothesis: no order of events breaks a promise.

Real: the message handlers, the leases, the sweeper, the moves, the store and its database. Stepped: time, the broker,
the blobs, the decoder and the engine. Of ``tests/support``, ``machine_rules.py`` has what may happen,
``machine_ledger.py`` what must hold after every step, ``machine_peace.py`` what must hold when the faults have stopped.
"""

import secrets

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import run_state_machine_as_test

from tests.support.machine_rules import Machine


def machine_on(url: str, *guards_off: str) -> type[Machine]:
    """The machine on a database, perhaps with guards off."""
    return type("Machine", (Machine,), {"url": url, "without": guards_off})


def effort(examples: int, steps: int, *phases: Phase, derandomize: bool = True) -> settings:
    """The same steps each time, unless they are to be others."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=derandomize,
        database=None,
        deadline=None,
        phases=phases or tuple(Phase),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


def test_a_thousand_steps_break_no_promise(database_url: str) -> None:
    """Whatever is lost, doubled, late, killed, paused or away."""
    machine = machine_on(database_url)
    run_state_machine_as_test(machine, settings=effort(24, 50))
    print(f"{machine.steps} steps")  # noqa: T201 - the figure
    assert machine.steps >= 1_000


@pytest.mark.slow
def test_ten_thousand_steps_break_no_promise(database_url: str) -> None:
    """The same for longer, from a seed that is printed."""
    machine, number = machine_on(database_url), secrets.randbits(32)
    print(f"seed {number}")  # noqa: T201 - the figure
    run_state_machine_as_test(seed(number)(machine), settings=effort(110, 100, derandomize=False))
    print(f"{machine.steps} steps")  # noqa: T201 - the figure
    assert machine.steps >= 10_000


@pytest.mark.parametrize(
    ("guard", "broken"),
    [
        ("fence", r"landed|was done|attempts|took|fell|another's text"),
        ("sweeper", r"without a fault"),
    ],
)
def test_without_a_guard_a_promise_is_broken(database_url: str, guard: str, broken: str) -> None:
    """So the machine can see what the guard is for.

    The real database has its own pace, so the same steps need not break it a second time: the first time counts.
    """
    machine = machine_on(database_url, guard)
    with pytest.raises(AssertionError, match=broken):
        try:
            run_state_machine_as_test(machine, settings=effort(40, 50, Phase.generate))
        except FlakyFailure as error:
            raise error.exceptions[0] from error
