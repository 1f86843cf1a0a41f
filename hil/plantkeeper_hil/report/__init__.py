"""Reports of a run: a JSON summary, a short table, and an HTML page that opens from disk."""
