"""How long to wait before a restart."""

from cli.keeper import Patience


def test_delays_double_up_to_the_longest():
    """0.2 s, 0.4 s, ... and never above 10 s."""
    patience, delay, delays = Patience(), None, []
    for _ in range(8):
        delay = patience.after(delay, ran_seconds=0.1)
        delays.append(delay)
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_ten_seconds_of_health_forgive():
    """What ran for a while starts again as quickly as the first time: only quick deaths in a row add up."""
    assert Patience().after(10.0, ran_seconds=10.0) == 0.2
    assert Patience().after(10.0, ran_seconds=9.9) == 10.0


def test_a_retirement_is_no_death():
    """Ending with 0 after some work starts again at once; ending with 0 over and over as soon as it starts does not."""
    assert Patience().after(10.0, ran_seconds=2.0, code=0) == 0.2
    assert Patience().after(3.0, ran_seconds=0.5, code=0) == 6.0
