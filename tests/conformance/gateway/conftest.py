"""Both ways into the gateway on sockets: `hot`, the real server with its batches; `flask`, the application alone."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPResponse
from typing import Any, Protocol

import pytest
import uvloop
from memory_store import MemoryStore
from werkzeug.serving import WSGIRequestHandler, make_server

from plantkeeper_proxy.app import create_app
from plantkeeper_proxy.authenticity import Policy
from plantkeeper_proxy.batch import Batcher
from plantkeeper_proxy.device_ranges import parse_ranges
from plantkeeper_proxy.gateway import Gateway
from plantkeeper_proxy.http_protocol import Connections
from plantkeeper_proxy.ingest import Door
from plantkeeper_proxy.rates import Rates

EVERYBODY = Policy(parse_ranges("legacy", "1-2147483647"))


@dataclass(frozen=True)
class Answer:
    """What a client sees."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = field(compare=False)
    interesting: tuple[tuple[str, str], ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(port: int, request: bytes) -> Answer:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        response = HTTPResponse(connection, method=request.split(b" ")[0].decode())
        response.begin()
        body, headers = response.read(), tuple(response.getheaders())
    kept = ("Content-Type", "Content-Length", "Retry-After", "Allow", "Transfer-Encoding")  # exactly so
    return Answer(response.status, body, headers, tuple(sorted(pair for pair in headers if pair[0] in kept)))


class Server(Protocol):
    """A server in a thread of its own."""

    port: int

    def stop(self) -> None: ...


class HotServer:
    """The gateway's own."""

    def __init__(self, store: MemoryStore, door: Door) -> None:
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve(store, door)))
        self._thread.start()
        assert self._started.wait(20)

    async def _serve(self, store: MemoryStore, door: Door) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        batcher = Batcher(store.store_batch)
        gateway = Gateway(batcher, create_app(store, door), door)
        connections = Connections(gateway)
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = listener.getsockname()[1]
        server = await self._loop.create_server(connections, sock=listener)
        self._started.set()
        await self._end.wait()
        server.close()
        await connections.drain(5)
        await batcher.close()
        gateway.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        pass


class FlaskServer:
    """The application behind a WSGI server that knows nothing of it."""

    def __init__(self, store: MemoryStore, door: Door) -> None:
        app = create_app(store, door)
        self._server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(20)
        self._server.server_close()


class Route:
    """A way into the gateway.

    Args:
        limited: with the default limit of readings a device, at a clock that stands still; else without one.
    """

    def __init__(self, kind: str, *, limited: bool = False) -> None:
        self.kind, self.store, self.now_s = kind, MemoryStore(), 1000.0
        rates = Rates() if limited else Rates(device_per_minute=0)
        door = Door(rates, EVERYBODY, clock_s=lambda: self.now_s)
        self._server: Server = (HotServer if kind == "hot" else FlaskServer)(self.store, door)

    def reset(self) -> None:
        self.store.readings.clear()
        self.store.down = None

    def send(self, request: bytes) -> Answer:
        """A request as bytes."""
        return ask(self._server.port, request)

    def ask(self, method: str, target: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> Answer:
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        if body or method in {"POST", "PUT", "PATCH"}:
            lines.append(f"Content-Length: {len(body)}")
        return self.send("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body)

    def post(self, body: bytes, **headers: str) -> Answer:
        return self.ask("POST", "/sensor-data", body, [(k.replace("_", "-"), v) for k, v in headers.items()])

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture(scope="module")
def routes() -> Iterator[dict[str, Route]]:
    made = {kind: Route(kind) for kind in ("hot", "flask")}
    yield made
    for route in made.values():
        route.stop()


@pytest.fixture(params=["hot", "flask"])
def route(request: pytest.FixtureRequest, routes: dict[str, Route]) -> Route:
    """Each of them, with nothing stored."""
    routes[request.param].reset()
    return routes[request.param]


@pytest.fixture
def both(routes: dict[str, Route]) -> tuple[Route, Route]:
    """Both, to be compared."""
    for one in routes.values():
        one.reset()
    return routes["hot"], routes["flask"]


@pytest.fixture(params=["hot", "flask"])
def limited_route(request: pytest.FixtureRequest) -> Iterator[Route]:
    """Each of them, anew, with the default limits."""
    made = Route(request.param, limited=True)
    yield made
    made.stop()
