"""The gateway beside its peers: the same load, the same backend, interleaved rounds; figures as ratios to nginx."""
