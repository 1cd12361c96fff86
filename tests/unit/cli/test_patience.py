"""How long to wait before a restart."""

from cli.keeper import Patience


def test_delays_double_up_to_the_longest():
    """0.2 s, 0.4 s, ... and never above 10 s."""
    patience, delay, delays = Patience(), None, []
    for _ in range(8):
        delay = patience.after(delay, ran_seconds=0.1)
        delays.append(delay)
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_minute_of_health_forgives():
    """What ran for a minute starts again as quickly as the first time."""
    assert Patience().after(10.0, ran_seconds=60.0) == 0.2
    assert Patience().after(10.0, ran_seconds=59.9) == 10.0
