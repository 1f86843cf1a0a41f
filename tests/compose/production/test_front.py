"""nginx in front: boards get through byte for byte, and nothing else does; people read by TLS."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from production_stack import ProductionStack, exchange, golden, wait_for

SIGNING_KEY = bytes(range(32)).hex()  # tests/contract/README.md
SEAL = """
import os, sys
from plantkeeper_proxy.vault import Vault, master_keys
key = bytes.fromhex(sys.argv[1])
vault = Vault(master_keys({"PLANTKEEPER_MASTER_KEY": open("/run/secrets/master_key").read().strip()}))
print(vault.seal(7, 1, key, random=os.urandom).hex())
"""
READING = b'{"id":8,"light":1}'


@pytest.fixture(scope="module")
def stack(make_stack: Callable[..., ProductionStack]) -> ProductionStack:
    made = make_stack()
    made.migrate()
    made.up(profiles=["mock"])
    return made


@pytest.fixture
def boards(stack: ProductionStack) -> tuple[str, int]:
    return stack.address("front", 8080)


def request(*lines: str, body: bytes = READING) -> bytes:
    head = [f"POST /sensor-data HTTP/1.1\r\nContent-Length: {len(body)}\r\n", *(f"{line}\r\n" for line in lines)]
    return "".join([*head, "Connection: close\r\n\r\n"]).encode() + body


def split(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers with names as they were written, and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status[9:12]), dict(line.split(": ", 1) for line in lines), body


# ---- boards ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["board_post", "field_post", "signed_post"])
@pytest.mark.parametrize("sent", ["line by line", "at once", "byte by byte"])
def test_golden_messages_get_through(stack: ProductionStack, boards: tuple[str, int], name: str, sent: str) -> None:
    pieces = golden(name)
    whole = b"".join(pieces)
    if name == "signed_post":
        words = ("exec", "-T", "gateway", "python3", "-c", SEAL, SIGNING_KEY)
        sealed = stack.compose(*words).stdout.strip()
        stack.sql(
            "DELETE FROM device_sequence WHERE device_id = 7; DELETE FROM reading_key WHERE device_id = 7;"
            "DELETE FROM device_key WHERE device_id = 7;"
            f"INSERT INTO device_key (device_id, number, secret) VALUES (7, 1, decode('{sealed}', 'hex'))"
        )
    else:
        stack.sql("DELETE FROM device_key WHERE device_id = 7")
    before = int(stack.sql("SELECT coalesce(max(id), 0) FROM reading")[0][0])
    if name == "board_post":
        stack.sql("DELETE FROM reading_key WHERE device_id = 7")
    if sent == "at once":
        pieces = [whole]
    elif sent == "byte by byte":
        pieces = [bytes([byte]) for byte in whole]
    status, headers, body = split(exchange(boards, pieces))
    assert (status, body) == (200, b'{"message":"stored"}\n')
    assert headers["Content-Length"] == str(len(body))  # in exactly this case: boards compare it so
    assert headers["Connection"] == "close"
    assert "Transfer-Encoding" not in headers
    stored = stack.sql(f"SELECT device_id, temperature, humidity, light FROM reading WHERE id > {before}")
    fields = json.loads(whole.partition(b"\r\n\r\n")[2])
    assert [[float(value) for value in row] for row in stored] == [
        [fields["id"], fields["temperature"], fields["humidity"], fields["light"]]
    ]


def test_a_host_is_added_to_the_first_request_alone_and_only_where_none_is(boards: tuple[str, int]) -> None:
    assert split(exchange(boards, [request()]))[0] == 200
    assert split(exchange(boards, [request("hOsT : x")]))[0] == 400  # a space before a colon is not ours to mend
    assert split(exchange(boards, [request("hOsT: x")]))[0] == 200
    assert split(exchange(boards, [request("Host: x", "Host: y")]))[0] == 400
    assert split(exchange(boards, [request("X-Host: x")]))[0] == 200
    kept_open = request("Host: x").replace(b"Connection: close", b"Connection: keep-alive")
    answers = exchange(boards, [kept_open, request("Host: x")])
    assert answers.count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n", 404),
        (b"GET /metrics HTTP/1.1\r\n", 404),
        (b"GET /readyz HTTP/1.1\r\n", 404),
        (b"GET /healthz HTTP/1.1\r\n", 404),
        (b"POST /login HTTP/1.1\r\nContent-Length: 0\r\n", 404),
        (b"POST /sensor-data/ HTTP/1.1\r\nContent-Length: 0\r\n", 404),
        (b"POST /errors/404.json HTTP/1.1\r\nContent-Length: 0\r\n", 404),
        (b"GET /sensor-data HTTP/1.1\r\n", 405),
        (b"PUT /sensor-data HTTP/1.1\r\nContent-Length: 0\r\n", 405),
        (b"POST /sensor-data HTTP/1.1\r\nContent-Length: 4097\r\n", 413),
        (b"POST /sensor-data HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n", 431),
        (b"POST /sensor-data HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"POST /sensor-data HTTP/9\r\n", 505),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 400),
    ],
)
def test_nothing_else_gets_through(boards: tuple[str, int], sent: bytes, status: int) -> None:
    found, headers, body = split(exchange(boards, [sent + b"Connection: close\r\n\r\n"]))
    assert found == status
    assert headers["Content-Type"] == "application/json"
    assert "error" in json.loads(body)


def test_a_body_of_4096_bytes_gets_through(boards: tuple[str, int]) -> None:
    body = b'{"id":8,"light":1,"x":"' + b"x" * (4096 - 25) + b'"}'
    assert len(body) == 4096
    assert split(exchange(boards, [request(body=body)]))[0] == 200


def test_the_gateway_knows_boards_by_their_own_address(stack: ProductionStack, boards: tuple[str, int]) -> None:
    networks = stack.containers()["front"]["NetworkSettings"]["Networks"]
    router = networks[f"{stack.name}_front"]["Gateway"]  # this machine, as containers see it
    bad = request("X-Forwarded-For: 192.0.2.99", body=b'{"id":"nobody"}')
    assert split(exchange(boards, [bad]))[0] == 400
    lines = [json.loads(line) for line in stack.logs("gateway").splitlines() if '"invalid"' in line]
    assert {line["address"] for line in lines} == {router}


def test_slow_senders_are_cut_off_and_boards_are_served_meanwhile(
    stack: ProductionStack, boards: tuple[str, int]
) -> None:
    whole = request()
    with ExitStack() as opened:
        begun_s = time.monotonic()
        slow = {"head": 20, "body": len(whole) - 12}
        sockets = {}
        for part, length in slow.items():
            sockets[part] = opened.enter_context(socket.create_connection(boards, timeout=30))
            sockets[part].sendall(whole[:length])
        ended_s: dict[str, float] = {}
        sent = 0
        while len(ended_s) < len(sockets):
            assert time.monotonic() - begun_s < 20, f"after 20 s only {ended_s} were cut off"
            for part, connection in sockets.items():
                if part not in ended_s and is_over(connection, whole[slow[part] + sent : slow[part] + sent + 1]):
                    ended_s[part] = time.monotonic() - begun_s
            sent = min(sent + 1, 10)
            assert stack.post(9, f"1-{sent + 1}") == 200
    assert all(5 < after_s < 20 for after_s in ended_s.values()), ended_s


def is_over(connection: socket.socket, piece: bytes) -> bool:
    """Whether the other side has answered or closed within a second, while we send a byte."""
    connection.settimeout(1)
    try:
        if piece:
            connection.sendall(piece)
        return b" 408 " in connection.recv(4096) or connection.recv(4096) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_gateways_come_and_go_behind_it(stack: ProductionStack) -> None:
    def running() -> list[str]:
        return stack.compose("ps", "--quiet", "gateway").stdout.split()

    stack.compose("up", "--detach", "--wait", "--no-recreate", "--pull", "never", "--scale", "gateway=2", "gateway")
    first, _ = running()
    subprocess.run(["docker", "kill", first], check=True, stdout=subprocess.DEVNULL)
    assert [stack.post(10, f"1-{n}") for n in range(1, 31)] == [200] * 30
    stack.compose("up", "--detach", "--wait", "--pull", "never", "--scale", "gateway=1", "gateway")
    wait_for(lambda: stack.post(10, "2-1") == 200, "the gateway to be there again")


def test_what_was_taken_is_delivered_once_and_in_order(stack: ProductionStack) -> None:
    """All of production between a board and the backend, whose journal tells."""
    assert [stack.post(3, f"7-{n}", light=n) for n in range(1, 11)] == [200] * 10
    context = ssl.create_default_context(cafile=str(stack.secrets / "mock_ca.pem"))
    connection = http.client.HTTPSConnection(
        "localhost", stack.address("mock-backend", 8443)[1], context=context, timeout=20
    )

    def delivered() -> list[tuple[str, int]]:
        entries = json.loads(get(connection, "/_mock/journal?after=0")[1])["entries"]
        return [(entry["idempotency_key"], entry["body"]["light"]) for entry in entries if entry["sensor_id"] == 3]

    try:
        wait_for(lambda: len(delivered()) >= 10, "ten readings to be delivered")
        assert delivered() == [(f'"7-{n}"', n) for n in range(1, 11)]
    finally:
        connection.close()


# ---- limits ----------------------------------------------------------------------------------------------------


@pytest.fixture
def narrow(stack: ProductionStack) -> Iterator[ProductionStack]:
    """The front with limits that a test reaches."""
    stack.up("front", environment={"FRONT_REQUESTS_PER_S": "2", "FRONT_CONNECTIONS": "5"})
    yield stack
    stack.up("front")


def test_too_many_requests_are_answered_429(narrow: ProductionStack) -> None:
    boards = narrow.address("front", 8080)
    answers = [split(exchange(boards, [request()])) for _ in range(60)]
    statuses = [status for status, _, _ in answers]
    assert statuses[:20] == [200] * 20
    assert set(statuses) == {200, 429}
    _, headers, body = next(answer for answer in answers if answer[0] == 429)
    assert headers["Retry-After"] == "5"
    assert "too many requests" in json.loads(body)["error"]


def test_too_many_connections_are_cut(narrow: ProductionStack) -> None:
    boards = narrow.address("front", 8080)
    with ExitStack() as opened:
        held = cut_in_a_row = 0
        while cut_in_a_row < 3:
            assert held <= 5
            connection = opened.enter_context(socket.create_connection(boards, timeout=0.5))
            if is_cut(connection):
                cut_in_a_row += 1
            else:
                held, cut_in_a_row = held + 1, 0
        assert held == 5
        assert exchange(boards, [request()]) == b""
    wait_for(lambda: split(exchange(boards, [request()]) or b"HTTP/1.1 000 ")[0] == 200, "room to be there again")


def is_cut(connection: socket.socket) -> bool:
    """Whether a connection with a request that is only begun is closed at once."""
    try:
        connection.sendall(b"POST /sensor-data HTTP/1.1\r\n")
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("name", ["FRONT_REQUESTS_PER_S", "FRONT_CONNECTIONS"])
def test_a_limit_that_is_none_is_named(stack: ProductionStack, name: str) -> None:
    done = stack.compose("run", "--rm", "--no-deps", "-T", "-e", f"{name}=many", "front", "test", check=False)
    assert done.returncode != 0
    assert f"{name} is 'many'; expected a whole number" in done.stderr


# ---- people ----------------------------------------------------------------------------------------------------


@pytest.fixture
def people(stack: ProductionStack) -> Iterator[http.client.HTTPSConnection]:
    """A connection that trusts this front's certificate and no other."""
    context = ssl.create_default_context(cafile=str(stack.secrets / "tls_certificate.pem"))
    connection = http.client.HTTPSConnection("localhost", stack.address("front", 8443)[1], context=context, timeout=20)
    yield connection
    connection.close()


def get(connection: http.client.HTTPSConnection, path: str, **headers: str) -> tuple[int, bytes]:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_people_read_by_tls(stack: ProductionStack, people: http.client.HTTPSConnection) -> None:
    status, body = get(people, "/readyz")
    assert (status, json.loads(body)["database"]) == (200, "up")
    assert get(people, "/healthz")[0] == 200
    assert b"plantkeeper_ready 1.0" in get(people, "/metrics")[1]
    assert get(people, "/openapi.json")[0] == 200
    assert get(people, "/")[0] == 401
    token = (stack.secrets / "status_token").read_text().strip()
    status, body = get(people, "/", Authorization=f"Bearer {token}")
    assert status == 200
    assert b"<html" in body
    assert get(people, "/sensor-data")[0] == 404
    assert get(people, "/nothing")[0] == 404


def test_the_cookie_is_for_tls_alone(stack: ProductionStack, people: http.client.HTTPSConnection) -> None:
    token = (stack.secrets / "status_token").read_text().strip()
    people.request("POST", "/login", f"token={token}", {"Content-Type": "application/x-www-form-urlencoded"})
    answer = people.getresponse()
    answer.read()
    assert answer.status == 303
    assert re.search(r"; *secure", answer.headers["Set-Cookie"], re.IGNORECASE)


def test_old_tls_is_refused(stack: ProductionStack) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with socket.create_connection(stack.address("front", 8443), timeout=20) as plain, context.wrap_socket(plain) as tls:
        assert tls.version() == "TLSv1.2"
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(stack.address("front", 8443), timeout=20) as plain,
        pytest.raises(ssl.SSLError),
        context.wrap_socket(plain),
    ):
        pass


def test_nginx_takes_its_configuration_without_a_word(stack: ProductionStack) -> None:
    done = stack.compose("run", "--rm", "--no-deps", "-T", "front", "test")
    assert "nginx:" not in done.stderr
