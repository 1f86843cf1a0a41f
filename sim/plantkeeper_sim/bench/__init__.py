"""Benchmarks of the simulator; `nox -s bench` runs them."""
