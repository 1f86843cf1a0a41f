"""Connections on real sockets in one event loop: order of answers, times, bounds, room for others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
import uvloop

from plantkeeper_proxy.http_protocol import Connections, Handler, Request, Respond, Response
from plantkeeper_proxy.limits import HttpLimits

LONG_S = 20.0
PATIENT = HttpLimits(request_s=LONG_S, idle_s=LONG_S, flush_s=LONG_S, linger_s=LONG_S)
SHORT_S = 0.05
POST = b"POST /%d HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"


def at_once(request: Request, respond: Respond) -> None:
    respond(Response(200, (), request.target.encode()))


class Later:
    """Answers when told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Request, Respond]] = []

    def __call__(self, request: Request, respond: Respond, /) -> None:
        self.asked.append((request, respond))

    async def answer(self) -> None:
        await until(lambda: bool(self.asked))
        at_once(*self.asked.pop(0))


class Client:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def all(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(LONG_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b"reset"

    async def head(self) -> bytes:
        async with asyncio.timeout(LONG_S):
            return await self.reader.readuntil(b"\r\n\r\n")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_S):
        while not condition():
            await asyncio.sleep(0.001)


class Server:
    def __init__(self, connections: Connections, port: int) -> None:
        self.connections, self._port = connections, port
        self.clients: list[Client] = []

    async def client(self, data: bytes = b"") -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port))
        self.clients.append(client)
        client.writer.write(data)
        return client


@asynccontextmanager
async def serving(handler: Handler, limits: HttpLimits) -> AsyncIterator[Server]:
    connections = Connections(handler, limits=limits)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    server = await asyncio.get_running_loop().create_server(connections, sock=listener)
    made = Server(connections, listener.getsockname()[1])
    try:
        yield made
    finally:
        server.close()
        await connections.drain(0)
        for client in made.clients:
            client.writer.transport.abort()
            with suppress(OSError):
                await client.writer.wait_closed()


def run(scenario: Awaitable[None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(2 * LONG_S):
            await scenario

    uvloop.run(bounded())  # as the gateway does


def statuses(answers: bytes) -> list[int]:
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def test_requests_sent_together_are_answered_one_after_the_other_and_the_refusal_last() -> None:
    async def scenario() -> None:
        later = Later()
        async with serving(later, PATIENT) as server:
            client = await server.client(b"".join(POST % n for n in range(3)) + b"rubbish\r\n\r\n")
            for n in range(3):
                await until(lambda: len(later.asked) == 1)
                assert later.asked[0][0].target == f"/{n}"
                await later.answer()
            client.writer.write_eof()
            answers = await client.all()
            assert statuses(answers) == [200, 200, 200, 400]
            assert [answers.index(b"\r\n\r\n/%d" % n) for n in range(3)] == sorted(
                answers.index(b"\r\n\r\n/%d" % n) for n in range(3)
            )

    run(scenario())


def test_thousands_of_requests_in_one_segment_are_all_answered() -> None:
    async def scenario() -> None:
        async with serving(at_once, PATIENT) as server:
            client = await server.client(b"".join(POST % n for n in range(3000)))
            client.writer.write_eof()
            assert statuses(await client.all()) == [200] * 3000

    run(scenario())


@pytest.mark.slow
def test_a_sender_too_far_ahead_has_to_wait_and_loses_nothing() -> None:
    async def scenario() -> None:
        later = Later()
        async with serving(later, replace(PATIENT, read_ahead_bytes=1000)) as server:
            client = await server.client(b"".join(POST % n for n in range(20_000)))
            await until(lambda: bool(later.asked))
            [connection] = server.connections.open
            await until(lambda: connection._paused)
            assert connection._reader.unread < 600_000  # one read of the event loop
            server.connections.handler = at_once
            await later.answer()
            client.writer.write_eof()
            assert statuses(await client.all()) == [200] * 20_000

    run(scenario())


@pytest.mark.parametrize("begin", [b"P", POST[:-1] % 1, POST[:30]])
def test_a_slow_sender_is_told_and_cut_off(begin: bytes) -> None:
    async def scenario() -> None:
        async with serving(at_once, replace(PATIENT, request_s=SHORT_S)) as server:
            client = await server.client(begin)
            assert statuses(await client.all()) == [408]

    run(scenario())


def test_a_byte_now_and_then_does_not_help() -> None:
    async def scenario() -> None:
        async with serving(at_once, replace(PATIENT, request_s=SHORT_S)) as server:
            client = await server.client()
            told = asyncio.create_task(client.all())
            while not told.done():
                client.writer.write(b"G" if not client.writer.is_closing() else b"")
                await asyncio.sleep(0.002)
            assert (await told).startswith(b"HTTP/1.1 4") or await told == b"reset"

    run(scenario())


def test_a_connection_without_a_request_is_closed_without_a_word() -> None:
    async def scenario() -> None:
        async with serving(at_once, replace(PATIENT, request_s=SHORT_S)) as server:
            assert await (await server.client()).all() == b""
        async with serving(at_once, replace(PATIENT, idle_s=SHORT_S)) as server:
            assert statuses(await (await server.client(POST % 1)).all()) == [200]

    run(scenario())


def test_a_peer_that_reads_no_answers_is_dropped_and_holds_little() -> None:
    async def scenario() -> None:
        big = b"x" * 1_000_000
        asked = 0

        def much(request: Request, respond: Respond) -> None:
            nonlocal asked
            asked += 1
            respond(Response(200, (), big))

        async with serving(much, replace(PATIENT, flush_s=SHORT_S)) as server:
            client = await server.client()
            raw = client.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.writer.write(b"".join(POST % n for n in range(100)))
            await until(lambda: asked > 0)
            await until(lambda: not server.connections.open)
            assert asked == 1  # the next one is not asked for before the last was taken

    run(scenario())


def test_a_peer_that_never_takes_the_last_answer_is_dropped_too() -> None:
    async def scenario() -> None:
        def much(request: Request, respond: Respond) -> None:
            respond(Response(200, (), b"x" * 5_000_000))

        async with serving(much, replace(PATIENT, flush_s=SHORT_S)) as server:
            client = await server.client()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.writer.write(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            await until(lambda: bool(server.connections.open))
            await until(lambda: not server.connections.open)

    run(scenario())


@pytest.mark.slow
def test_a_slow_reader_gets_everything_if_it_reads() -> None:
    async def scenario() -> None:
        def much(request: Request, respond: Respond) -> None:
            respond(Response(200, (), b"x" * 300_000))

        async with serving(much, PATIENT) as server:
            client = await server.client(b"".join(POST % n for n in range(10)))
            client.writer.write_eof()
            answers = await client.all()
            assert answers.count(b"HTTP/1.1 200 OK") == 10
            assert answers.count(b"x") == 3_000_000

    run(scenario())


def test_one_connection_too_many_is_told_so_and_later_ones_get_in() -> None:
    async def scenario() -> None:
        async with serving(at_once, replace(PATIENT, connections=3, yield_s=LONG_S)) as server:
            first = [await server.client(b"GET ") for _ in range(3)]
            await until(lambda: len(server.connections.open) == 3)
            answer = await (await server.client(POST % 1)).all()
            assert statuses(answer) == [503]
            assert b"\r\nRetry-After: 5\r\n" in answer
            first[0].writer.close()
            await until(lambda: len(server.connections.open) <= 3)
            client = await server.client(POST % 1)
            assert (await client.head()).startswith(b"HTTP/1.1 200")

    run(scenario())


def test_the_oldest_that_lets_us_wait_makes_room() -> None:
    async def scenario() -> None:
        later = Later()
        async with serving(later, replace(PATIENT, connections=3, yield_s=0.0)) as server:
            answered = await server.client(POST % 1)  # is owed an answer: it stays, though it is the oldest
            await until(lambda: len(later.asked) == 1)
            slow = [await server.client(b"GET ")]
            await until(lambda: len(server.connections.open) == 2)
            slow.append(await server.client(b"GET "))
            await until(lambda: len(server.connections.open) == 3)
            board = await server.client(POST % 2)
            assert statuses(await slow[0].all()) == [503]
            await until(lambda: len(later.asked) == 2)
            await later.answer()
            await later.answer()
            assert (await answered.head()).startswith(b"HTTP/1.1 200")
            assert (await board.head()).startswith(b"HTTP/1.1 200")
            assert server.connections.refused == 1

    run(scenario())


def test_refused_connections_linger_in_bounds() -> None:
    async def scenario() -> None:
        async with serving(at_once, replace(PATIENT, lingering=2)) as server:
            clients = [await server.client(b"rubbish\r\n\r\n") for _ in range(5)]
            for client in clients:
                assert (await client.head()).startswith(b"HTTP/1.1 400")
            await until(lambda: len(server.connections.open) == 2)
            clients[0].writer.write(b"x" * (2 << 20))  # more than is thrown away
            await until(lambda: len(server.connections.open) == 1)

    run(scenario())


def test_a_refusal_is_heard_although_more_was_sent_than_was_read() -> None:
    async def scenario() -> None:
        async with serving(at_once, replace(PATIENT, linger_s=SHORT_S)) as server:
            client = await server.client(b"POST / HTTP/1.1\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500_000)
            assert statuses(await client.all()) == [413]

    run(scenario())


def test_continue_is_said_where_the_body_will_be_taken_and_not_else() -> None:
    async def scenario() -> None:
        async with serving(at_once, PATIENT) as server:
            head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: "
            client = await server.client(head + b"2\r\n\r\n")
            assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.writer.write(b"{}")
            assert statuses(await client.all()) == [200]
            client = await server.client(head + b"5000\r\n\r\n")
            client.writer.write_eof()
            assert statuses(await client.all()) == [413]

    run(scenario())


def test_what_follows_the_last_request_changes_nothing() -> None:
    async def scenario() -> None:
        later = Later()
        async with serving(later, PATIENT) as server:
            post = POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % 1
            client = await server.client(post + b"\r\n" + POST % 2 + b"rubbish")
            await later.answer()
            client.writer.write_eof()
            assert statuses(await client.all()) == [200]
            assert not later.asked

    run(scenario())


def test_a_sender_that_has_shut_its_side_still_gets_its_answers() -> None:
    async def scenario() -> None:
        later = Later()
        async with serving(later, PATIENT) as server:
            client = await server.client(POST % 1 + POST % 2)
            client.writer.write_eof()
            await later.answer()
            await later.answer()
            assert statuses(await client.all()) == [200, 200]
            cut = await server.client(POST[:-1] % 1)
            cut.writer.write_eof()
            assert await cut.all() == b""

    run(scenario())


def test_a_handler_that_fails_is_a_500_and_the_next_request_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        def moody(request: Request, respond: Respond) -> None:
            if request.target == "/1":
                raise ZeroDivisionError("boom")
            at_once(request, respond)
            at_once(request, respond)  # a second answer to the same request goes nowhere

        async with serving(moody, PATIENT) as server:
            client = await server.client(POST % 1 + POST % 2 + POST % 3)
            client.writer.write_eof()
            assert statuses(await client.all()) == [500, 200, 200]

    run(scenario())
    assert "boom" in caplog.text


def test_draining_ends_what_was_begun_and_closes_the_rest() -> None:
    async def scenario() -> None:
        later = Later()
        async with serving(later, PATIENT) as server:
            idle = await server.client()
            begun = await server.client(POST[:-1] % 1)
            asked = await server.client(POST % 2)
            await until(lambda: len(later.asked) == 1 and len(server.connections.open) == 3)
            [receiving] = [one for one in server.connections.open if one._reader.begun]
            draining = asyncio.create_task(server.connections.drain(LONG_S))
            assert await idle.all() == b""
            begun.writer.write(b"}")
            await until(lambda: len(later.asked) == 2 and not receiving._reader.begun)
            await later.answer()
            await later.answer()
            for client in (begun, asked):
                answer = await client.all()
                assert statuses(answer) == [200]
                assert b"\r\nConnection: close\r\n" in answer
            await draining

    run(scenario())
