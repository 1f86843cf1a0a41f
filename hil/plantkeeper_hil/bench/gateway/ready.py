"""Whether a server answers; a connection alone is no sign where the socket listened before the server did."""

from __future__ import annotations

import socket
import time

PATIENCE_S = 0.5
PAUSE_S = 0.02


def answers(port: int) -> bool:
    """Whether anything at all comes back for a GET; waits a little where nothing does."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            connection.settimeout(PATIENCE_S)
            connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return bool(connection.recv(1))
    except OSError:
        time.sleep(PAUSE_S)
        return False
