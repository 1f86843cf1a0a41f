"""nginx that answers a constant: no server, but the limit of the load generator."""

from __future__ import annotations

from plantkeeper_hil.bench.gateway import nginx
from plantkeeper_hil.bench.gateway.peers.base import Place, Running, stopper
from plantkeeper_hil.stack.service import listening_socket, port_of

HTTP = """\
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        default_type application/json;
        location / {{ return 200 '{{"message": "stored"}}'; }}
    }}
"""


class Constant:
    """The control."""

    name = "constant"
    needs_host = True
    forwards = False

    def missing(self) -> str | None:
        """It must be installed."""
        return None if nginx.program() else "nginx is not installed (Debian: nginx-light)"

    def start(self, place: Place) -> Running:
        """Start it."""
        with listening_socket() as listener:
            listener.listen(1024)
            service = nginx.start(
                "constant",
                HTTP.format(port=port_of(listener)),
                folder=place.folder,
                log_dir=place.log_dir,
                workers="auto",
                as_root=place.as_root,
                inherit=(listener,),
            )
            place.watch(service.pid)
            return Running(self.name, port_of(listener), {"nginx": service.pid}, stopper(service))
