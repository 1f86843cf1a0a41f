"""Back-off, settings, the meaning of the backend's answers, SQL by name, hidden secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.backoff import LONGEST_S, delay_s
from plantkeeper_proxy.database import prepare
from plantkeeper_proxy.delivery import Waiting
from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.queries import queries, split
from plantkeeper_proxy.settings import forwarder_settings, gateway_settings

fractions = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 10_000), fractions)
def test_delay_doubles_with_full_jitter_and_has_an_end(attempts: int, random: float) -> None:
    full_s = min(LONGEST_S, 0.5 * 2 ** min(attempts - 1, 100))
    assert delay_s(attempts, random) == full_s * random


@given(st.integers(1, 50), fractions, st.floats(0, 10_000))
def test_what_the_backend_asks_for_is_the_least(attempts: int, random: float, asked_s: float) -> None:
    assert min(asked_s, LONGEST_S) <= delay_s(attempts, random, asked_s=asked_s) <= LONGEST_S


NEEDED = {"PLANTKEEPER_DATABASE_DSN": "postgresql://u@h/d", "PLANTKEEPER_BACKEND_URL": "https://backend.example/"}


def test_defaults() -> None:
    gateway, forwarder = gateway_settings(NEEDED), forwarder_settings(NEEDED)
    assert (gateway.listen_host, gateway.listen_port, gateway.connections) == ("127.0.0.1", 8080, 2000)
    assert (forwarder.backend_url, forwarder.backend_ca, forwarder.backend_token) == (
        "https://backend.example",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_DSN", ""),
        ("BACKEND_URL", ""),
        ("BACKEND_URL", "http://backend.example"),
        ("BACKEND_URL", "backend.example"),
        ("BACKEND_URL", "https://user:secret@backend.example"),
        ("BACKEND_URL", "https://backend.example:99999"),
        ("BACKEND_URL", "https://backend.example/?a=1"),
        ("BACKEND_CA", "/no/such/file.pem"),
        ("BACKEND_CA", "false"),
        ("BACKEND_TIMEOUT_S", "0"),
        ("BACKEND_TIMEOUT_S", "nan"),
        ("BACKEND_CONNECTIONS", "many"),
        ("BACKEND_TOKEN", "a b"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        forwarder_settings({**NEEDED, f"PLANTKEEPER_{name}": value})
    assert f"PLANTKEEPER_{name} is" in str(error.value)
    assert "expected" in str(error.value)
    if name == "BACKEND_TOKEN":
        assert value not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"), [("LISTEN_PORT", "70000"), ("LISTEN_PORT", "x"), ("GATEWAY_CONNECTIONS", "0")]
)
def test_a_gateway_setting_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"PLANTKEEPER_{name} is '{value}'"):
        gateway_settings({**NEEDED, f"PLANTKEEPER_{name}": value})


def test_a_ca_that_exists_is_taken(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    assert forwarder_settings({**NEEDED, "PLANTKEEPER_BACKEND_CA": str(ca)}).backend_ca == ca


def test_a_reading_without_a_key_gets_one_of_ours() -> None:
    assert Waiting(9, 7, None, 1, 2, 3, 0.0).idempotency_key == '"reading-9"'
    assert Waiting(9, 7, "3-42", 1, 2, 3, 0.0).idempotency_key == '"3-42"'


def test_every_statement_has_a_name_and_no_comment_is_left() -> None:
    assert {"store", "find_by_key", "revision", "claim", "oldest", "delivered", "park", "pause"} <= set(queries())
    assert not any("--" in statement for statement in queries().values())
    assert split("-- name: a\nSELECT 1;\n-- name: b\n-- why\nSELECT 2;") == {"a": "SELECT 1;", "b": "SELECT 2;"}


def test_a_query_is_prepared_with_its_arguments_in_order() -> None:
    query = "SELECT lock(1);\nSELECT %(b)s::text[], %(a)s::bigint, %(b)s WHERE 7 %% 2 = 1;"
    assert prepare(query, "q") == (
        "PREPARE q AS SELECT $1::text[], $2::bigint, $1::text[] WHERE 7 % 2 = 1",
        "SELECT lock(1); EXECUTE q (%(b)s::text[], %(a)s::bigint)",
    )
    early = "UPDATE a SET b = %(b)s; SELECT 1;"
    assert prepare(early, "q") == ("", early)


def test_no_literal_of_a_statement_holds_what_would_divide_it() -> None:
    parts = [part for statement in queries().values() for part in statement.split(";")]
    assert all(part.count("'") % 2 == 0 for part in parts)
