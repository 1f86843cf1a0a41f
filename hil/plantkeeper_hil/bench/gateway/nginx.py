"""Starts an nginx with a configuration of ours, over a listening socket that it inherits."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from plantkeeper_hil.bench.gateway.errors import PeerError
from plantkeeper_hil.bench.gateway.ready import answers
from plantkeeper_hil.stack.service import Service

PROGRAMS = ("nginx", "/usr/sbin/nginx")
ECHO_MODULES = (
    Path("/usr/lib/nginx/modules/ngx_http_echo_module.so"),
    Path("/usr/share/nginx/modules/ngx_http_echo_module.so"),
)
READY_TIMEOUT_S = 10.0
MAIN = """\
{modules}daemon off;
{user}worker_processes {workers};
pid {folder}/{name}.pid;
error_log {log} warn;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/{name}-body;
    proxy_temp_path {folder}/{name}-proxy;
    fastcgi_temp_path {folder}/{name}-fastcgi;
    uwsgi_temp_path {folder}/{name}-uwsgi;
    scgi_temp_path {folder}/{name}-scgi;
{http}
}}
"""


def program() -> str | None:
    """Where nginx is; Debian keeps it out of the search path of users."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def echo_module() -> Path | None:
    """Debian's libnginx-mod-http-echo, which can answer late."""
    return next((path for path in ECHO_MODULES if path.is_file()), None)


def start(
    name: str,
    http: str,
    *,
    folder: Path,
    log_dir: Path,
    workers: str,
    as_root: bool,
    inherit: Sequence[socket.socket],
    modules: Sequence[Path] = (),
) -> Service:
    """Start it.

    Args:
        http: inside of its `http` block; must listen on exactly the inherited sockets' addresses.
        workers: their number, or `auto`.
        as_root: whether we are root: its workers then stay so, and can enter the run's folder.

    Raises:
        PeerError: it is not installed.
    """
    found = program()
    if found is None:
        raise PeerError("nginx is not installed; on Debian: sudo apt-get install --no-install-recommends nginx-light")
    configuration = folder / f"{name}.conf"
    configuration.write_text(
        MAIN.format(
            modules="".join(f"load_module {path};\n" for path in modules),
            user="user root;\n" if as_root else "",
            workers=workers,
            folder=folder,
            name=name,
            log=log_dir / f"{name}-error.log",
            http=http,
        )
    )
    # NGINX lists descriptors of listening sockets: nginx's own way of handing them on at an upgrade
    listening = "".join(f"{listener.fileno()};" for listener in inherit)
    service = Service.start(
        name,
        [found, "-p", str(folder), "-e", "stderr", "-c", str(configuration)],
        log_dir=log_dir,
        environment={"NGINX": listening},
        inherit=inherit,
    )
    ports = [listener.getsockname()[1] for listener in inherit]
    service.wait_ready(lambda: all(answers(port) for port in ports), timeout_s=READY_TIMEOUT_S)
    return service
