"""The servers that are compared, one a file."""

from __future__ import annotations

from plantkeeper_hil.bench.gateway.peers.base import Peer
from plantkeeper_hil.bench.gateway.peers.nginx_proxy import NginxProxy
from plantkeeper_hil.bench.gateway.peers.ours import Ours

YARDSTICK: Peer = NginxProxy()
OTHERS: tuple[Peer, ...] = ()

__all__ = ["OTHERS", "YARDSTICK", "Ours"]
