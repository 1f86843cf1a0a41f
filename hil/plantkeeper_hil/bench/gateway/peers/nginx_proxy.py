"""nginx as a plain proxy: passes requests on over verified TLS, answers what the backend answers, keeps nothing."""

from __future__ import annotations

from plantkeeper_hil.bench.gateway import nginx
from plantkeeper_hil.bench.gateway.peers.base import Place, Running, stopper
from plantkeeper_hil.stack.service import listening_socket, port_of

HTTP = """\
    upstream backend {{
        server 127.0.0.1:{backend_port};
        keepalive 128;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass https://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {ca};
            proxy_ssl_server_name on;
            proxy_ssl_name localhost;
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
        }}
    }}
"""


class NginxProxy:
    """The yardstick."""

    name = "nginx"
    needs_host = True
    forwards = True

    def missing(self) -> str | None:
        """It must be installed."""
        return None if nginx.program() else "nginx is not installed (Debian: nginx-light)"

    def start(self, place: Place) -> Running:
        """Start it with a worker a core, as its own default configuration does on Debian."""
        with listening_socket() as listener:
            listener.listen(1024)
            service = nginx.start(
                "nginx-proxy",
                HTTP.format(port=port_of(listener), backend_port=place.backend.port, ca=place.backend.ca),
                folder=place.folder,
                log_dir=place.log_dir,
                workers="auto",
                as_root=place.as_root,
                inherit=(listener,),
            )
            place.watch(service.pid)
            return Running(self.name, port_of(listener), {"nginx": service.pid}, stopper(service))
