"""Whose address counts: the nearest that no trusted proxy has, whatever senders write to the left of it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.trusted_proxies import MOST_HOPS, TrustedProxies, parse_networks

TRUSTED = parse_networks("T", "172.16.0.0/12, 10.0.0.1, fd00::/8")
PROXIES = st.one_of(
    st.ip_addresses(network="172.16.0.0/12"), st.just(ip_address("10.0.0.1")), st.ip_addresses(network="fd00::/8")
).map(str)
STRANGERS = st.one_of(st.ip_addresses(network="192.0.2.0/24"), st.ip_addresses(network="2001:db8::/32")).map(str)
WRITTEN = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=40)


@given(stranger=STRANGERS, proxies=st.lists(PROXIES, min_size=1, max_size=MOST_HOPS), written=st.none() | WRITTEN)
def test_what_a_sender_writes_changes_nothing(stranger: str, proxies: list[str], written: str | None) -> None:
    entries = [*([] if written is None else [written]), stranger, *proxies[1:]]
    assert TRUSTED.sender(proxies[0], " , ".join(entries)) == stranger


@given(stranger=STRANGERS, written=st.none() | WRITTEN)
def test_a_stranger_is_who_he_is(stranger: str, written: str | None) -> None:
    assert TRUSTED.sender(stranger, written) == stranger


@given(peer=PROXIES | STRANGERS, written=st.none() | WRITTEN)
def test_by_default_nobody_is_believed(peer: str, written: str | None) -> None:
    assert TrustedProxies().sender(peer, written) == peer
    assert not TrustedProxies()


@given(peer=PROXIES | STRANGERS | WRITTEN, written=st.none() | WRITTEN | st.lists(PROXIES | WRITTEN).map(",".join))
def test_nothing_written_raises(peer: str, written: str | None) -> None:
    assert isinstance(TRUSTED.sender(peer, written), str)


@pytest.mark.parametrize(
    ("peer", "written", "sender"),
    [
        ("172.17.0.1", None, "172.17.0.1"),
        ("172.17.0.1", "", "172.17.0.1"),
        ("172.17.0.1", "unknown", "172.17.0.1"),
        ("172.17.0.1", "192.0.2.1:4711", "172.17.0.1"),
        ("172.17.0.1", "192.0.2.1, unknown, 10.0.0.1", "10.0.0.1"),
        ("172.17.0.1", "10.0.0.1, 172.18.0.1", "10.0.0.1"),
        ("::ffff:172.17.0.1", "::ffff:192.0.2.1", "192.0.2.1"),
        ("local", "192.0.2.1", "local"),
        ("172.17.0.1", "192.0.2.1," + "10.0.0.1," * MOST_HOPS + "10.0.0.1", "10.0.0.1"),
    ],
)
def test_by_hand(peer: str, written: str | None, sender: str) -> None:
    assert TRUSTED.sender(peer, written) == sender


def test_networks_read_back() -> None:
    assert str(TRUSTED) == "172.16.0.0/12,10.0.0.1/32,fd00::/8"
    assert parse_networks("T", str(TRUSTED)) == TRUSTED
    assert parse_networks("T", "  ") == TrustedProxies()


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "nginx", "10.0.0.0/8,", "*"])
def test_what_is_no_network_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match=r"T is .*expected networks such as"):
        parse_networks("T", text)
