"""Spectrograms."""

from threadpoolctl import threadpool_info, threadpool_limits

from core.engines.features import new_bands


def test_a_slot_keeps_to_its_own_thread():
    """NumPy's further threads would wait for each other at the cost of the other slots."""
    with threadpool_limits(2, user_api="blas"):
        new_bands(80)
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
