"""A TCP port of loopback that is ours for a whole run, whether something listens on it or not."""

from __future__ import annotations

import socket

from plantkeeper_hil.stack.service import port_of

HOST = "127.0.0.1"


class Port:
    """A port.

    A second socket is bound to it and never listens: while nothing else does, connections are refused, and the
    system gives the port to nobody.
    """

    def __init__(self) -> None:
        self._reservation = _socket()
        self._reservation.bind((HOST, 0))
        self.number = port_of(self._reservation)
        self._listener: socket.socket | None = None

    @property
    def address(self) -> tuple[str, int]:
        """To connect to."""
        return HOST, self.number

    def listener(self) -> socket.socket:
        """The socket that listens, opened where it is not; children inherit it."""
        if self._listener is None:
            self._listener = _socket()
            self._listener.bind(self.address)
            self._listener.listen(1024)
        return self._listener

    def refuse(self) -> None:
        """Refuse connections from now on, as far as no child holds the listening socket."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def close(self) -> None:
        """Let go of it."""
        self.refuse()
        self._reservation.close()


def _socket() -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # both of ours may be bound, since only one listens
    return made
