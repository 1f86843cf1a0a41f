"""`python -m plantkeeper_sim.backend`: the mock backend as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from plantkeeper_sim.backend import tls
from plantkeeper_sim.backend.journal import Journal
from plantkeeper_sim.backend.server import KEEP_ALIVE_S, Backend
from plantkeeper_sim.backend.state import State
from plantkeeper_sim.errors import BackendError, SimError

MAX_SENSORS = 100_000


def sensor_ids(text: str) -> range:
    """The ids in `7` or `1-3`.

    Raises:
        BackendError: it is neither, or names no or too many sensors.
    """
    match = re.fullmatch(r"([1-9][0-9]*)(?:-([1-9][0-9]*))?", text)
    if match is None:
        raise BackendError(f"--sensors {text!r}: expected a number or a range such as 1-3")
    first, last = int(match[1]), int(match[2] or match[1])
    if not first <= last < first + MAX_SENSORS:
        raise BackendError(f"--sensors {text!r}: expected 1 to {MAX_SENSORS} sensors, the lower id first")
    return range(first, last + 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m plantkeeper_sim.backend", description=__doc__)
    parser.add_argument("--tls-dir", type=Path, required=True, help="certificates; made there where they are missing")
    parser.add_argument("--listen-fd", type=int, help="descriptor of a listening socket, inherited from the parent")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--sensors", default="1", help="ids that exist, such as 1-3 (default 1)")
    parser.add_argument(
        "--keep-alive-s",
        type=float,
        default=KEEP_ALIVE_S,
        help=f"an idle connection is closed after so many seconds (default {KEEP_ALIVE_S:g}, as the original does)",
    )
    parser.add_argument("--journal", type=Path, help="file that gets every request as a JSON line")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_serve(options))
    except (SimError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


async def _serve(options: argparse.Namespace) -> None:
    ids = sensor_ids(options.sensors)
    if not tls.is_issued(options.tls_dir):
        tls.issue(options.tls_dir)
    context = tls.server_context(options.tls_dir)
    state = State(now=lambda: datetime.now(UTC))
    state.add(ids)
    journal = Journal(options.journal)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if options.listen_fd is not None:
        listener = socket.socket(fileno=options.listen_fd)
    else:
        listener = socket.create_server((options.host, options.port))
    print(f"listening on https://localhost:{listener.getsockname()[1]}", flush=True)
    try:
        await Backend(state, journal, keep_alive_s=options.keep_alive_s).serve(listener, context, stop)
    finally:
        journal.close()


if __name__ == "__main__":
    sys.exit(main())
