"""Hypothesis for all tests: no deadline, since no test asserts a time, and a failure prints how to repeat it."""

from hypothesis import settings

settings.register_profile("plantkeeper", deadline=None, print_blob=True)
settings.load_profile("plantkeeper")
