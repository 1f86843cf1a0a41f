"""Benchmarks of the harness; `nox -s bench` runs them."""
