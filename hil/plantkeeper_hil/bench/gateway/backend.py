"""The backend that all peers forward to: nginx with TLS of a private authority, quick, and one that takes its time.

It answers `PATCH /api/v1/sensors/{id}` with the sensor's JSON, as the real one does, and `POST /sensor-data` for a
plain proxy, which cannot do more than pass the request on. What it answered is counted by nginx itself.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path

from plantkeeper_hil.bench.gateway import nginx
from plantkeeper_hil.bench.gateway.errors import PeerError
from plantkeeper_hil.stack.service import Service, listening_socket, port_of
from plantkeeper_sim.backend import tls

ANSWER = (
    '{"id":%s,"userId":1,"name":"basil","remark":"","humidity":40,"light":900,"temperature":21.5,'
    '"createdAt":"2024-01-01T00:00:00.000Z","updatedAt":"2024-01-01T00:00:00.000Z","lastAlert":null}'
)
HTTP = """\
    map $status $refused {{ 200 0; default 1; }}
    server {{
        listen 127.0.0.1:{port} ssl backlog=1024;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache shared:tls:1m;
        keepalive_timeout 75s;
        client_max_body_size 102400;
        default_type application/json;
        access_log {refused} combined if=$refused;
        location ~ ^/api/v1/sensors/([0-9]+)$ {{
            if ($request_method != PATCH) {{ return 404; }}
{quick_or_slow}
        }}
        location = /sensor-data {{
            if ($request_method != POST) {{ return 404; }}
            set $sensor 1;
{quick_or_slow_plain}
        }}
        location / {{ return 404; }}
    }}
    server {{
        listen 127.0.0.1:{status_port};
        location = /status {{ stub_status; access_log off; }}
        location / {{ return 404; }}
    }}
"""


@dataclass(frozen=True)
class Target:
    """Where peers forward to.

    Args:
        url: https://localhost:….
        ca: authority that its certificate is verified against.
    """

    url: str
    port: int
    ca: Path


class Backend:
    """A running backend.

    Args:
        name: for logs.
        service: the nginx.
        target: where it is.
        status_port: of its counter.
        refused: log of all answers but 200.
    """

    def __init__(self, name: str, service: Service, target: Target, status_port: int, refused: Path) -> None:
        self.name, self.service, self.target = name, service, target
        self._status = http.client.HTTPConnection("127.0.0.1", status_port, timeout=10)
        self._refused = refused
        self._asked = 0

    @classmethod
    def start(cls, name: str, *, folder: Path, log_dir: Path, as_root: bool, delay_s: float = 0.0) -> Backend:
        """Start one that answers after `delay_s`.

        Raises:
            PeerError: nginx, or what it needs to answer late, is not installed.
        """
        modules = []
        if delay_s:
            echo = nginx.echo_module()
            if echo is None:
                raise PeerError(
                    "nginx's echo module is not installed; on Debian: sudo apt-get install libnginx-mod-http-echo"
                )
            modules.append(echo)
        folder.mkdir(parents=True, exist_ok=True)
        tls.issue(folder / "tls")
        refused = log_dir / f"{name}-refused.log"
        with listening_socket() as listener, listening_socket() as status:
            listener.listen(1024)
            http_block = HTTP.format(
                port=port_of(listener),
                status_port=port_of(status),
                certificate=folder / "tls" / tls.CERTIFICATE,
                key=folder / "tls" / tls.KEY,
                refused=refused,
                quick_or_slow=_answering("$1", delay_s),
                quick_or_slow_plain=_answering("$sensor", delay_s),
            )
            service = nginx.start(
                name,
                http_block,
                folder=folder,
                log_dir=log_dir,
                workers="1",
                as_root=as_root,
                inherit=(listener, status),
                modules=modules,
            )
            target = Target(f"https://localhost:{port_of(listener)}", port_of(listener), folder / "tls" / tls.CA)
            return cls(name, service, target, port_of(status), refused)

    def delivered(self) -> int:
        """Requests that it answered 200 since it started, and a few constant ones; meant for differences."""
        text = self._ask()
        self._asked += 1
        refused = self._refused.read_bytes().count(b"\n") if self._refused.exists() else 0
        return parse_requests(text) - self._asked - refused

    def close(self) -> None:
        """End it."""
        self._status.close()
        self.service.end()

    def _ask(self) -> str:
        for attempt in (1, 2):
            try:
                self._status.request("GET", "/status")
                return self._status.getresponse().read().decode()
            except (http.client.HTTPException, OSError):
                self._status.close()  # a kept connection that was closed meanwhile
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")


def parse_requests(status: str) -> int:
    """The number of requests in a page of nginx's stub_status: third number of the third line.

    Raises:
        ValueError: it is no such page.
    """
    return int(status.splitlines()[2].split()[2])


def _answering(sensor: str, delay_s: float) -> str:
    indent = " " * 12
    if not delay_s:
        return f"{indent}return 200 '{ANSWER % sensor}';"
    lines = ["echo_read_request_body;", f"echo_sleep {delay_s:g};", f"echo '{ANSWER % sensor}';"]
    return "\n".join(indent + line for line in lines)
