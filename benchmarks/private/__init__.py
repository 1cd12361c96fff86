"""Servers of one's own for tests and benchmarks: on loopback, with their own data, gone afterwards."""
