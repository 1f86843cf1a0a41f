"""The status page over facts in memory: who may see it, what it shows, and that nothing gets out of its place."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from plantkeeper_proxy.app import create_app
from plantkeeper_proxy.authenticity import Policy
from plantkeeper_proxy.database import Row
from plantkeeper_proxy.errors import StoreError
from plantkeeper_proxy.facts import FactsReader
from plantkeeper_proxy.ingest import Door, Stored, Submission
from plantkeeper_proxy.operations import Operations
from plantkeeper_proxy.rates import Rates
from plantkeeper_proxy.sparkline import HEIGHT, WIDTH, sparkline
from plantkeeper_proxy.status_page import PAGE_DEVICES, age, number
from plantkeeper_proxy.status_session import COOKIE, SESSION_S, bearer_of, is_session, is_token, session

TOKEN = "0123456789-abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Database:
    def __init__(self) -> None:
        self.devices: list[Row] = []
        self.alarm = ""
        self.name = "f1"
        self.down = False

    def check(self) -> None:
        if self.down:
            raise StoreError("gone")

    def store(self, submission: Submission) -> Stored:
        return Stored.NEW

    def query(self, name: str, arguments: Mapping[str, Any] | None = None) -> list[Row]:
        if name == "status_devices":
            assert arguments is not None
            shown = [row for row in self.devices if row[0] >= arguments["first"]]
            return shown[: arguments["limit"]]
        rows: dict[str, list[Row]] = {
            "backlog": [(2, 1.0)],
            "dead_letter_count": [(1,)],
            "partitions": [(False, False)],
            "devices": [(1, 0)],
            "forwarders": [(self.name, 3.0, {"delivered": 1, "retried": 0, "dead": 0}, {"backend": self.alarm})],
        }
        return rows[name]


def device(device_id: int, error: str | None = None) -> Row:
    return (device_id, 21.25, 40.0, None, 61.0, 61.0, 3, 2, error, None, None, [0, 1, 95], [1.0, 2.0, 3.0])


@pytest.fixture
def database() -> Database:
    return Database()


def client_of(database: Database, token: str | None = TOKEN, now_s: float = 1000.0) -> FlaskClient:
    reader = FactsReader(database)
    operations = Operations(reader=reader, status_token=token, epoch_s=lambda: now_s)
    return create_app(database, Door(Rates(), Policy()), operations).test_client()


def test_without_a_token_there_is_no_page(database: Database) -> None:
    client = client_of(database, None)
    for answer in (client.get("/", headers=BEARER), client.post("/login", data={"token": ""}), client.post("/logout")):
        assert answer.status_code == 404
        assert "PLANTKEEPER_STATUS_TOKEN" in answer.get_json()["error"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {TOKEN}"}, {"Cookie": f"{COOKIE}=1.2"},
     {"Authorization": "Bearer é"}],
)  # fmt: skip
def test_a_stranger_gets_a_form_and_nothing_else(headers: dict[str, str], database: Database) -> None:
    database.devices = [device(77)]
    answer = client_of(database).get("/", headers=headers)
    assert answer.status_code == 401
    assert 'type="password"' in answer.text
    assert "77" not in answer.text
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_token_opens_the_page(database: Database) -> None:
    database.devices = [device(77, "the backend answered 503")]
    answer = client_of(database).get("/", headers=BEARER)
    assert answer.status_code == 200
    for shown in (
        "<strong>77</strong>",
        "21.2 °C",
        "40 %",
        "61 s ago",
        "2 attempts failed.",
        "answered 503",
        "<polyline",
    ):
        assert shown in answer.text
    assert TOKEN not in answer.text + str(answer.headers)
    csp = answer.headers["Content-Security-Policy"]
    nonce = re.search("'nonce-([^']+)'", csp)
    assert nonce is not None
    assert f'<style nonce="{nonce[1]}">' in answer.text
    assert csp.startswith("default-src 'none';")
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert not re.search(r"(src|href)=\"?(https?:)?//|<script|javascript:", answer.text)


def test_signing_in_gives_a_cookie_that_is_not_the_token(database: Database) -> None:
    client = client_of(database)
    answer = client.post("/login", data={"token": TOKEN})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={SESSION_S}"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert client.get("/").status_code == 200
    assert client.post("/logout").status_code == 303
    assert client.get("/").status_code == 401


def test_a_wrong_token_is_refused_counted_and_not_logged(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    client = client_of(database)
    answer = client.post("/login", data={"token": "wrong-wrong-wrong"})
    assert answer.status_code == 401
    assert "This is not the token." in answer.text
    assert "Set-Cookie" not in answer.headers
    assert 'reason="status_token"} 1.0' in client.get("/metrics").text
    assert "wrong token for the status page" in caplog.text
    assert "wrong-wrong" not in caplog.text


def test_pages_of_devices(database: Database) -> None:
    database.devices = [device(number) for number in range(1, 3 * PAGE_DEVICES)]
    client = client_of(database)
    first = client.get("/", headers=BEARER).text
    shown = [int(found) for found in re.findall(r"<strong>(\d+)</strong>", first)]
    assert shown == list(range(1, PAGE_DEVICES + 1))
    link = re.search(r'href="([^"]*)">devices from', first)
    assert link is not None
    second = client.get(html.unescape(link[1]), headers=BEARER).text
    assert re.findall(r"<strong>(\d+)</strong>", second)[0] == str(PAGE_DEVICES + 1)
    for nonsense in ("x", "-1", "9" * 50, "", "１"):
        assert client.get("/", query_string={"from": nonsense, "show": nonsense}, headers=BEARER).status_code == 200


def test_a_database_that_is_down_is_an_alarm_on_the_page(database: Database) -> None:
    database.down = True
    answer = client_of(database).get("/", headers=BEARER)
    assert answer.status_code == 200
    assert "Readings cannot be taken: gone." in answer.text


hostile = st.text(st.characters(codec="utf-8"), min_size=1) | st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "</title><b>", "&amp;", "'", "<!--"]
)


@given(hostile, hostile, hostile)
@settings(deadline=None)
def test_hostile_texts_stay_texts(error: str, alarm: str, name: str) -> None:
    database = Database()
    plain = client_of(database)
    database.devices, database.alarm, database.name = [device(1, "E")], "A", "N"
    tags = re.findall(r"<[^>]*>", re.sub(r"nonce=\"[^\"]*\"", "", plain.get("/", headers=BEARER).text))
    database.devices, database.alarm, database.name = [device(1, error)], alarm, name
    text = client_of(database).get("/", headers=BEARER).text
    assert re.findall(r"<[^>]*>", re.sub(r"nonce=\"[^\"]*\"", "", text)) == tags
    assert error.strip() in html.unescape(text) or "\r" in error or "&" in error


@given(st.text(), st.text(min_size=1))
def test_only_the_token_is_the_token(given_: str, token: str) -> None:
    token = "".join(char for char in token if "!" <= char <= "~") or "x"
    assert is_token(given_, token) == (given_ == token)


@given(st.integers(0, 2**32), st.integers(-SESSION_S, 2 * SESSION_S), st.text())
def test_a_session_ends_and_cannot_be_made_up(now_s: int, later_s: int, junk: str) -> None:
    value = session(TOKEN, epoch_s=now_s)
    assert is_session(value, TOKEN, epoch_s=now_s + later_s) == (0 <= later_s < SESSION_S)
    assert not is_session(value, "another-token-of-16", epoch_s=now_s)
    assert not is_session(junk, TOKEN, epoch_s=now_s)
    end, _, seal = value.partition(".")
    assert not is_session(f"{int(end) + 1}.{seal}", TOKEN, epoch_s=now_s)


def test_bearer() -> None:
    assert [bearer_of(header) for header in (None, "", "Bearer", "Bearer ", "Basic x", "bearer  x ")] == [None] * 5 + [
        "x"
    ]


@given(st.lists(st.tuples(st.integers(0, 95), st.floats(allow_nan=True)), unique_by=lambda pair: pair[0]))
def test_a_sparkline_stays_within_its_box(points: list[tuple[int, float]]) -> None:
    points.sort()
    spark = sparkline([at for at, _ in points], [value for _, value in points])
    finite = [value for _, value in points if abs(value) < float("inf")]
    assert (spark is None) == (not finite)
    if spark is not None:
        assert (spark.low, spark.high) == (min(finite), max(finite))
        for line in spark.lines:
            pairs = [tuple(map(float, pair.split(","))) for pair in line.split(" ")]
            assert len(pairs) >= 2
            assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in pairs)


def test_a_gap_breaks_the_line() -> None:
    spark = sparkline([0, 1, 3, 6], [1.0, 2.0, 3.0, 4.0])
    assert spark is not None
    assert spark.lines == ["2,30 4,20.7 7.9,11.3", "13.3,2 14.5,2"]


def test_durations_and_numbers_for_people() -> None:
    assert [age(s) for s in (None, -1, 0, 119, 120, 7199, 7200, 172_800)] == [
        "–", "0 s", "0 s", "119 s", "2 min", "120 min", "2 h", "2 d",
    ]  # fmt: skip
    assert [number(value) for value in (None, 1043.75, 22.0, 1e-9)] == ["–", "1043.8", "22", "0"]
