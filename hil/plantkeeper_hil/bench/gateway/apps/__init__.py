"""The naive ways to do it with Flask, as a person would write them in an afternoon; run by gunicorn."""
