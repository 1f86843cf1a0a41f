"""A TLS server with a certificate that must be refused; proves whether it was sent anything after all."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from pathlib import Path

from plantkeeper_sim.backend import tls

TIMEOUT_S = 5.0
READ_BYTES = 65_536


class Impostor:
    """Accepts connections, shakes hands where the client does, and keeps every byte that comes through.

    Args:
        listener: a listening socket; it stays open.
        tls_dir: certificate and key (`plantkeeper_sim.backend.tls`).
        only_tls_1_1: offers nothing later.
    """

    def __init__(self, listener: socket.socket, tls_dir: Path, *, only_tls_1_1: bool = False) -> None:
        self.connections = 0
        self.failures: Counter[str] = Counter()
        self.received = bytearray()
        self._context = tls.server_context(tls_dir, only_tls_1_1=only_tls_1_1)
        self._listener = listener.dup()
        self._listener.settimeout(0.1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="impostor", daemon=True)
        self._thread.start()

    @property
    def refused(self) -> int:
        """Connections that ended without a byte of a request; TLS 1.3 lets a client judge after the handshake."""
        return self.failures.total()

    def close(self) -> None:
        """Stop."""
        self._stopping.set()
        self._thread.join(timeout=2 * TIMEOUT_S)
        self._listener.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            connection.settimeout(TIMEOUT_S)
            with contextlib.closing(connection):
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        try:
            wrapped = self._context.wrap_socket(connection, server_side=True)
        except OSError as error:  # ssl.SSLError is one
            self.failures[getattr(error, "reason", None) or type(error).__name__] += 1
            return
        before = len(self.received)
        with contextlib.suppress(OSError), wrapped:
            while data := wrapped.recv(READ_BYTES):
                self.received += data
        if len(self.received) == before:
            self.failures["hung up after the handshake"] += 1
