"""HTTP/1.1 messages in the bytes of a connection (RFC 9112): as far as board and gateway use it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Message:
    """A request or an answer.

    Args:
        start: request line or status line.
        headers: names and values as they stand, in their order.
        whole: whether nothing of it is missing.
    """

    start: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    whole: bool

    def header(self, name: str) -> str | None:
        """Value of the first header of this name, whatever its case."""
        return next((value for given, value in self.headers if given.lower() == name.lower()), None)


def messages(data: bytes) -> list[Message]:
    """The messages that one side sent, one after another; the last may be cut.

    A body has as many bytes as Content-Length says. Without one a request has none, and an answer's goes to the end.
    """
    found = []
    while data:
        head, end, rest = data.partition(END_OF_HEAD)
        start, *lines = head.decode("latin-1").split("\r\n")
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        message = Message(start, headers, b"", whole=bool(end))
        size = _body_bytes(message, len(rest))
        found.append(Message(start, headers, rest[:size], whole=bool(end) and len(rest) >= size))
        data = rest[size:]
    return found


def _body_bytes(message: Message, there: int) -> int:
    length = message.header("Content-Length")
    if length is not None and length.isdigit():
        return int(length)
    return there if message.start.startswith("HTTP/") else 0
