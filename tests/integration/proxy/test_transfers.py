"""libcurl's transfers in an event loop: what ends, what does not, and what a caller breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pycurl
import pytest
import uvloop

from plantkeeper_proxy.transfers import Transfers

pytestmark = pytest.mark.integration
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """Answers each request once `may_answer` is set; counts connections."""

    def __init__(self) -> None:
        self.port = self.connections = 0
        self.may_answer = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await self.may_answer.wait()
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Peer]:
    peer = Peer()
    server = await asyncio.start_server(peer.talk, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    yield peer
    server.close()
    for writer in peer.writers:
        writer.close()


def get(peer: Peer, timeout_ms: int = 5000) -> pycurl.Curl:
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"http://127.0.0.1:{peer.port}/")
    curl.setopt(pycurl.TIMEOUT_MS, timeout_ms)
    curl.setopt(pycurl.WRITEFUNCTION, len)
    return curl


def begin(transfers: Transfers, curl: pycurl.Curl) -> asyncio.Future[int | None]:
    """The number of libcurl's error, or None."""
    found: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
    transfers.start(curl, lambda error: found.set_result(None if error is None else error.args[0]))
    return found


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_each_transfer_ends_by_its_own_time(runner: object) -> None:
    """The shortest was begun last: the timer for the others comes too late for it."""

    async def run() -> None:
        async with listening() as peer:
            transfers = Transfers(4)
            begun = [begin(transfers, get(peer, timeout_ms)) for timeout_ms in (10_000, 400, 200)]
            done, _ = await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED, timeout=5)
            assert done == {begun[2]}
            assert await asyncio.wait_for(begun[1], 5) == pycurl.E_OPERATION_TIMEDOUT == await begun[2]
            peer.may_answer.set()
            assert await asyncio.wait_for(begun[0], 5) is None
            transfers.close()

    assert callable(runner)
    runner(run())


def test_connections_are_kept_and_one_that_was_closed_is_replaced() -> None:
    async def run() -> None:
        async with listening() as peer:
            peer.may_answer.set()
            transfers, curl = Transfers(4), get(peer)
            for _ in range(5):
                assert await begin(transfers, curl) is None
            assert peer.connections == 1
            peer.writers[0].close()
            await peer.writers[0].wait_closed()
            assert await begin(transfers, curl) is None
            assert peer.connections == 2
            transfers.close()

    uvloop.run(run())


def test_a_caller_that_fails_at_the_end_is_no_other_callers_trouble(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_error: pycurl.error | None) -> None:
        raise RuntimeError("broken")

    async def run() -> None:
        async with listening() as peer:
            transfers = Transfers(4)
            for _ in range(3):
                transfers.start(get(peer), fail)
            other = begin(transfers, get(peer))
            peer.may_answer.set()
            assert await asyncio.wait_for(other, 5) is None
            transfers.close()

    with caplog.at_level(logging.ERROR):
        uvloop.run(run())
    assert [record.getMessage() for record in caplog.records] == 3 * ["at the end of a transfer"]


def test_the_end_of_a_transfer_may_begin_the_next() -> None:
    async def run() -> None:
        async with listening() as peer:
            peer.may_answer.set()
            transfers, left = Transfers(1), [get(peer) for _ in range(20)]
            over = asyncio.Event()

            def next_one(error: pycurl.error | None) -> None:
                assert error is None
                if left:
                    transfers.start(left.pop(), next_one)
                else:
                    over.set()

            next_one(None)
            await asyncio.wait_for(over.wait(), 10)
            transfers.close()

    uvloop.run(run())


def test_closing_ends_all_without_a_word() -> None:
    async def run() -> None:
        async with listening() as peer:
            transfers = Transfers(4)
            begun = [begin(transfers, get(peer)) for _ in range(8)]
            transfers.close()
            transfers.close()
            peer.may_answer.set()
            done, _ = await asyncio.wait(begun, timeout=0.05)
            assert not done

    uvloop.run(run())
