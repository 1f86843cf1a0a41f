"""Hardware-in-the-loop harness: starts the parts, drives boards, and accounts for every reading."""
