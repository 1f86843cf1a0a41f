"""Runs a WSGI application under gunicorn, over a socket that it inherits."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence

from plantkeeper_hil.bench.gateway.errors import PeerError
from plantkeeper_hil.bench.gateway.peers.base import READY_TIMEOUT_S, Place
from plantkeeper_hil.bench.gateway.ready import answers
from plantkeeper_hil.stack.service import Service, listening_socket, port_of

WORKERS = os.cpu_count() or 1
THREADS = 8


def missing(*modules: str) -> str | None:
    """Which of gunicorn and further modules are not installed, with the remedy."""
    absent = [name for name in ("gunicorn", *modules) if importlib.util.find_spec(name) is None]
    return f"not installed: {', '.join(absent)}; `nox -s bench -- gateway` brings them" if absent else None


def start(
    name: str,
    application: str,
    place: Place,
    *,
    environment: Mapping[str, str],
    options: Sequence[str] = (),
) -> tuple[Service, int]:
    """Start it with a worker a core and threads in each, and wait until it answers.

    Returns:
        The service and its port.

    Raises:
        StackError: it does not come up.
    """
    if missing() is not None:
        raise PeerError("gunicorn is not installed")
    with listening_socket() as listener:
        listener.listen(1024)
        port = port_of(listener)
        service = Service.start(
            name,
            [
                *(sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}", "--backlog", "1024"),
                *("--worker-class", "gthread", "--workers", str(WORKERS), "--threads", str(THREADS)),
                *("--worker-tmp-dir", str(place.folder), "--no-control-socket", *options, application),
            ],
            log_dir=place.log_dir,
            environment=environment,
            inherit=(listener,),
        )
    place.watch(service.pid)
    service.wait_ready(lambda: answers(port), timeout_s=READY_TIMEOUT_S)
    return service, port
