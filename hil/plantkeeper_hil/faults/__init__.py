"""Faults under load: a load whose every reading can be told apart, and the law checked reading by reading."""
