"""Placeholder first line; the owner of this package replaces it."""
