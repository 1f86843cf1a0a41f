"""The list of boards over any sequence of plugging, and boards that leave the bus and come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_hil.inventory import boards_file, usb
from plantkeeper_hil.inventory.entries import Entry, by_id, merge, new_id, port_of, unidentified
from plantkeeper_hil.inventory.errors import AmbiguousBoardError, BoardsFileError, UnknownBoardError
from plantkeeper_hil.inventory.reappear import wait_for
from plantkeeper_hil.inventory.usb import PRODUCTS, UsbPort
from plantkeeper_hil.project import Project

UNO, MKR, MKR_LOADER = (0x2341, 0x0043), (0x2341, 0x8054), (0x2341, 0x0054)
kinds = st.sampled_from([*PRODUCTS, (0x1A86, 0x7523), (0x0403, 0x6001)])
serials = st.none() | st.text("0123456789ABCDEF", min_size=1, max_size=20)


def port(device: str, kind: tuple[int, int] = UNO, serial: str | None = "75830303934351F0E1") -> UsbPort:
    return UsbPort(device, *kind, serial, "1-1")


@st.composite
def port_lists(draw: st.DrawFn) -> list[UsbPort]:
    devices = draw(st.lists(st.integers(0, 30), unique=True, max_size=8))
    pool = draw(st.lists(serials, min_size=1, max_size=6))
    return [UsbPort(f"/dev/ttyACM{n}", *draw(kinds), draw(st.sampled_from(pool)), f"1-{n}") for n in devices]


@given(st.lists(port_lists(), max_size=6))
def test_any_plugging_keeps_every_board_once_and_its_id(scans: list[list[UsbPort]]) -> None:
    entries: list[Entry] = []
    for ports in scans:
        before = {entry.serial: entry for entry in entries}
        entries = merge(entries, ports)
        assert len({entry.id for entry in entries}) == len({entry.serial for entry in entries}) == len(entries)
        assert all(entries[n].id == old.id for n, old in enumerate(before.values()))
        counts = [port.serial for port in ports]
        for entry in entries:
            assert entry.connected == (counts.count(entry.serial) == 1)
        assert merge(entries, ports) == entries


@given(port_lists())
def test_every_device_is_a_board_or_named_with_a_reason(ports: list[UsbPort]) -> None:
    listed = {entry.serial for entry in merge([], ports)}
    left_out = [port for port, _ in unidentified(ports)]
    assert all((port.serial in listed) != (port in left_out) for port in ports)


@given(port_lists(), st.permutations(range(31)))
def test_a_board_is_found_wherever_its_path_went(ports: list[UsbPort], paths: list[int]) -> None:
    entries = merge([], ports)
    moved = [UsbPort(f"/dev/ttyACM{paths[n]}", p.vid, p.pid, p.serial, p.location) for n, p in enumerate(ports)]
    for entry in entries:
        assert port_of(entry, moved).serial == entry.serial


def test_what_a_person_wrote_is_kept() -> None:
    mine = Entry("sill", "uno", "my Uno", "75830303934351F0E1", 57600, ("soil",), connected=False, notes="wet")
    [merged] = merge([mine], [port("/dev/ttyACM3")])
    assert merged == Entry("sill", "uno", "my Uno", "75830303934351F0E1", 57600, ("soil",), connected=True, notes="wet")


def test_a_board_elsewhere_is_left_alone() -> None:
    remote = Entry("greenhouse", "uno", "Uno", port="rfc2217://192.0.2.7:4000")
    assert merge([remote], []) == [remote]


def test_two_devices_of_one_number_are_never_confused() -> None:
    twins = [port("/dev/ttyACM0"), port("/dev/ttyACM1")]
    assert merge([], twins) == []
    assert [reason for _, reason in unidentified(twins)] == [
        "has the same serial number as another device, 75830303934351F0E1"
    ] * 2
    with pytest.raises(AmbiguousBoardError, match=r"board sill: 2 devices .*/dev/ttyACM0 .*/dev/ttyACM1"):
        port_of(Entry("sill", "uno", "Uno", "75830303934351F0E1"), twins)


@given(serials.filter(bool), st.sets(st.text(max_size=5), max_size=5))
def test_new_ids_are_free(serial: str, taken: set[str]) -> None:
    ids = set(taken)
    for _ in range(4):
        name = new_id("uno", serial, ids)
        assert name not in ids
        ids.add(name)


def test_an_unknown_id_is_answered_with_those_near_it() -> None:
    boards = [Entry("uno-1", "uno", "Uno", "1"), Entry("mega-1", "mega2560", "Mega", "2")]
    with pytest.raises(UnknownBoardError, match="no board 'uno-2'; near it: uno-1"):
        by_id(boards, "uno-2")
    with pytest.raises(UnknownBoardError, match=r"boards.yaml lists none"):
        by_id([], "uno-2")


# ---- leaving the bus and coming back ---------------------------------------------------------------------------


def bus(*states: list[UsbPort]) -> tuple[list[float], usb.Scan]:
    """A clock that each scan moves on, and the bus over time; the last state stays."""
    clock = [0.0]
    left = list(states)

    def scan() -> list[UsbPort]:
        clock[0] += 1
        return left.pop(0) if len(left) > 1 else left[0]

    return clock, scan


def test_a_board_is_found_again_after_the_touch_under_another_path_and_product() -> None:
    clock, scan = bus([], [], [port("/dev/ttyACM4", MKR_LOADER, "ABC")])
    entry = Entry("mkr", "mkrwifi1010", "MKR", "ABC")
    found = wait_for(entry, timeout_s=10, scan=scan, now_s=lambda: clock[0], sleep=lambda _s: None)
    assert found.device == "/dev/ttyACM4"


def test_another_board_that_appears_meanwhile_is_not_taken_for_it() -> None:
    clock, scan = bus([port("/dev/ttyACM0", MKR, "OTHER")])
    entry = Entry("mkr", "mkrwifi1010", "MKR", "ABC")
    with pytest.raises(UnknownBoardError, match=r"board mkr .*waited 5 s"):
        wait_for(entry, timeout_s=5, scan=scan, now_s=lambda: clock[0], sleep=lambda _s: None)


# ---- the file ---------------------------------------------------------------------------------------------------

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
boards = st.builds(
    Entry, id=words, platform=words, product=words, serial=words, baud=st.integers(300, 10**6),
    fixtures=st.lists(words, max_size=3).map(tuple), connected=st.booleans(),
    notes=st.text(max_size=40).filter(str.isprintable),
    port=st.none() | words, power=st.none() | words,
)  # fmt: skip


@given(st.lists(boards, max_size=4, unique_by=(lambda e: e.id, lambda e: e.serial)))
def test_the_list_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, listed: list[Entry]) -> None:
    path = tmp_path_factory.getbasetemp() / "boards.yaml"
    boards_file.save(path, listed)
    assert boards_file.load(path) == listed


def test_no_file_is_an_empty_list(tmp_path: Path) -> None:
    assert boards_file.load(tmp_path / "boards.yaml") == []
    (tmp_path / "boards.yaml").write_text("# nothing yet\n")
    assert boards_file.load(tmp_path / "boards.yaml") == []


GOOD = "- {id: a, platform: uno, product: Uno, serial: 75830}\n"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("a: 1", "expected a list"),
        ("- 7", "entry 1: expected fields"),
        (GOOD + "- {id: b}", "entry 2: platform, product missing"),
        ("- {id: b, platform: uno, product: Uno}", "give serial"),
        ("- {id: b, platform: uno, product: Uno, serial: x, colour: red}", "unknown field colour; known: baud"),
        (GOOD + GOOD, "id a more than once"),
        (GOOD + GOOD.replace("id: a", "id: b"), "serial number 75830 more than once"),
        ("- {id: b, platform: uno, product: Uno, serial: x, baud: fast}", "baud 'fast'"),
        ("- {id: [", "cannot be read"),
    ],
)
def test_a_wrong_file_is_named_with_entry_and_field(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "boards.yaml"
    path.write_text(content)
    with pytest.raises(BoardsFileError, match=rf"boards.yaml.*{named}"):
        boards_file.load(path)


def test_a_number_of_digits_only_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "boards.yaml"
    path.write_text(GOOD)
    assert boards_file.load(path)[0].serial == "75830"


def test_where_the_list_is(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert boards_file.path_of(project, {}) == tmp_path / "boards.yaml"
    assert boards_file.path_of(project, {"PLANTKEEPER_BOARDS": "/elsewhere.yaml"}) == Path("/elsewhere.yaml")
