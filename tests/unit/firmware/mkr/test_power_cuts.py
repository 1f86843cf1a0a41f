"""The MKR WiFi 1010's memory over power cuts: at every operation of its flash, configuration and readings are whole."""

from __future__ import annotations

import pytest
from mkr_board import CONFIGURATION, Bench, configure

pytestmark = [pytest.mark.sanitize, pytest.mark.slow]

MOST_OPERATIONS = 60


def test_a_configuration_is_the_old_or_the_new_one_name_passphrase_and_all(bench: Bench) -> None:
    configure(bench.start())
    before = bench.content()
    old, new = ("7", '"greenhouse"', "60"), ("8", '"conservatory"', "300")
    seen = []
    for cut_after in range(MOST_OPERATIONS):
        bench.put(before)
        board = bench.start(cut_after=cut_after, noise=cut_after + 1)
        for line in ("CONF:DEV:ID 8", 'CONF:WIFI:SSID "conservatory"', "CONF:INT 300", "CONF:SAVE"):
            if board.ended is None:
                board.send(line)
        again = bench.start()
        queries = ("CONF:DEV:ID?", "CONF:WIFI:SSID?", "CONF:INT?")
        seen.append(tuple(again.send(query) for query in queries))
        if board.ended is None:
            break
    else:
        pytest.fail("power was never left on")
    assert len(seen) > 4
    assert set(seen[:-1]) <= {old, new}
    assert seen[0] == old
    assert seen[-1] == new
    assert seen == sorted(seen)  # never back to the old one


def test_a_boot_number_is_never_given_out_twice(configured: Bench) -> None:
    given: list[int] = []
    for cut_after in (0, 1, -1, 0, -1, 1, 0, 0, -1):
        board = configured.start(cut_after=cut_after, noise=len(given) + 3)
        given += [int(fields["boot"]) for fields in board.events("boot")]
    assert len(given) >= 3
    assert sorted(set(given)) == given


def test_a_reading_that_was_told_is_never_lost_nor_doubled(configured: Bench) -> None:
    """Power fails at every operation while readings are taken, posted and marked."""
    before = configured.content()
    for cut_after in range(MOST_OPERATIONS):
        configured.put(before)
        board = configured.start(cut_after=cut_after, noise=cut_after + 11)
        if board.ended is None:
            board.run(130)
        again = configured.start()
        again.run(20)
        told = {fields["key"] for fields in board.events("taken")}
        posts = [content for _, _, content in board.requests + again.requests]
        for key in told:
            bodies = {content.partition(b"\r\n\r\n")[2] for content in posts if f'"{key}"'.encode() in content}
            assert len(bodies) >= 1, f"cut after {cut_after}: {key} was told and never posted"
        delivered = [fields["key"] for b in (board, again) for fields in b.events("delivered")]
        assert set(delivered) >= told
        assert len(delivered) == len(set(delivered)), f"cut after {cut_after}"
        if board.ended is None:
            break
    else:
        pytest.fail("power was never left on")
    assert cut_after > 6


def test_a_journal_that_fills_up_drops_the_oldest_by_name(configured: Bench) -> None:
    board = configured.start()
    board.do("network down")
    board.run(60 * 45)
    assert [fields["key"] for fields in board.events("dropped")] == [f"2-{seq}" for seq in range(1, 7)]
    again = configured.start()
    again.run(60)
    assert again.events("boot")[0]["waiting"] == "39"
    # the first reading of this boot comes before the network was joined
    assert [fields["key"] for fields in again.events("dropped")] == ["2-7"]
    assert [fields["key"] for fields in again.events("delivered")][:38] == [f"2-{seq}" for seq in range(8, 46)]


def test_flash_that_is_worn_out_is_named(bench: Bench) -> None:
    """Cells that no longer let go of their zeros: nothing can be written anew."""
    board = bench.start()
    board.do("worn")
    for line in CONFIGURATION:
        board.send(line)
    assert board.send("SYST:ERR?") == '-320,"Storage fault"'
    again = bench.start()
    assert again.events("unconfigured") == [{}]
