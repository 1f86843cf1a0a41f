"""The servers that are compared, one a file."""

from __future__ import annotations

from plantkeeper_hil.bench.gateway.peers.base import Peer
from plantkeeper_hil.bench.gateway.peers.flask_inline import FlaskInline
from plantkeeper_hil.bench.gateway.peers.flask_insert import FlaskInsert
from plantkeeper_hil.bench.gateway.peers.flask_ours import FlaskOurs
from plantkeeper_hil.bench.gateway.peers.nginx_proxy import NginxProxy
from plantkeeper_hil.bench.gateway.peers.node_red import NodeRed
from plantkeeper_hil.bench.gateway.peers.ours import Ours

YARDSTICK: Peer = NginxProxy()
OTHERS: tuple[Peer, ...] = (NodeRed(), FlaskInline(), FlaskInsert(), FlaskOurs())

__all__ = ["OTHERS", "YARDSTICK", "Ours"]
