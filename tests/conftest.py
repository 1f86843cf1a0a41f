"""Hypothesis for all tests: no deadline, since no test asserts a time, and a failure prints how to repeat it."""

import importlib.util

if importlib.util.find_spec("hypothesis"):  # `nox -s sim` runs system tests without it
    from hypothesis import settings

    settings.register_profile("plantkeeper", deadline=None, print_blob=True)
    settings.load_profile("plantkeeper")
