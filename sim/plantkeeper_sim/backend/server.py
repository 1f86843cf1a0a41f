"""HTTPS in and out: asyncio's TLS streams, h11 for HTTP/1.1, nothing decided here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import h11

from plantkeeper_sim.backend.answers import BODY_LIMIT, Answer, Request, answer
from plantkeeper_sim.backend.control import PREFIX, Control
from plantkeeper_sim.backend.faults import CloseConnection
from plantkeeper_sim.backend.journal import Journal
from plantkeeper_sim.backend.state import State

KEEP_ALIVE_S = 5.0
SHUTDOWN_S = 1.0
READ_BYTES = 65_536
HARD_LIMIT = 16 * BODY_LIMIT  # what is read of a body that is too large, so that the 413 can be heard


class Backend:
    """The mock backend.

    Args:
        state: its sensors.
        journal: where every request is recorded.
        keep_alive_s: an idle connection is closed after this.
        monotonic, epoch: clocks.
    """

    def __init__(
        self,
        state: State,
        journal: Journal,
        *,
        keep_alive_s: float = KEEP_ALIVE_S,
        monotonic: Callable[[], float] = time.monotonic,
        epoch: Callable[[], float] = time.time,
    ) -> None:
        self._state, self._journal = state, journal
        self._control = Control(state, journal)
        self._keep_alive_s = keep_alive_s
        self._monotonic, self._epoch = monotonic, epoch
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket, context: ssl.SSLContext, stop: asyncio.Event) -> None:
        """Answer connections of a listening socket until `stop` is set."""
        server = await asyncio.start_server(
            self._connected, sock=listener, ssl=context, ssl_shutdown_timeout=SHUTDOWN_S
        )
        await stop.wait()
        server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        with contextlib.suppress(OSError, h11.RemoteProtocolError, TimeoutError, asyncio.CancelledError):
            await self._talk(reader, writer)
        writer.close()
        try:
            await asyncio.wait_for(writer.wait_closed(), SHUTDOWN_S)
        except (OSError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()  # the peer went without TLS's farewell

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: request after request, until one side closes."""
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=READ_BYTES)
        while True:
            try:
                request = await self._receive(connection, reader, writer)
                if request is None:
                    return
                given = await self._handle(request)
                await self._respond(connection, writer, given)
                if given.sent_share < 1:
                    return
            except CloseConnection:
                return
            if connection.our_state is h11.MUST_CLOSE:
                return
            connection.start_next_cycle()

    async def _receive(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                data = await asyncio.wait_for(reader.read(READ_BYTES), self._keep_alive_s)
                connection.receive_data(data)
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > HARD_LIMIT:
                    raise CloseConnection
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
                return Request(head.method.decode("ascii"), head.target.decode("latin-1"), headers, bytes(body))
            else:
                return None

    async def _handle(self, request: Request) -> Answer:
        if request.path.startswith(PREFIX):
            return self._control.answer(request)
        fault = self._control.take_fault()
        if fault is None:
            return self._record(request, answer(request, self._state))
        await asyncio.sleep(fault.delay_s)
        instead = fault.before(request)
        if instead is not None:
            return self._record(request, instead)
        given = fault.after(request, self._record(request, answer(request, self._state)))
        if fault.answer_delay_s:
            await asyncio.sleep(fault.answer_delay_s)
        return given

    def _record(self, request: Request, given: Answer) -> Answer:
        self._journal.record(request, given, monotonic_s=self._monotonic(), time_s=self._epoch())
        return given

    async def _respond(self, connection: h11.Connection, writer: asyncio.StreamWriter, given: Answer) -> None:
        body = b"" if given.body is None else json.dumps(given.body, separators=(",", ":")).encode()
        headers: list[tuple[str, str]] = [
            ("X-Powered-By", "Express"),
            ("Content-Type", "application/json; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Date", format_datetime(datetime.fromtimestamp(self._epoch(), UTC), usegmt=True)),
        ]
        if connection.our_state is h11.SEND_RESPONSE and not connection.client_is_waiting_for_100_continue:
            headers += [("Connection", "keep-alive"), ("Keep-Alive", f"timeout={self._keep_alive_s:g}")]
        if 300 <= given.status < 400 and isinstance(given.body, dict):
            headers.append(("Location", given.body["location"]))
        headers += given.headers
        whole = _bytes(connection.send(h11.Response(status_code=given.status, headers=headers)))
        whole += _bytes(connection.send(h11.Data(data=body))) + _bytes(connection.send(h11.EndOfMessage()))
        writer.write(whole[: max(1, int(len(whole) * given.sent_share))] if given.sent_share < 1 else whole)
        await writer.drain()


def _bytes(data: Any) -> bytes:
    return bytes(data or b"")
