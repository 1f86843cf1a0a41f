"""The journal in EEPROM against a model: any acts, power cut at any byte, worn cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

pytestmark = pytest.mark.sanitize

Ask = Callable[[str], str]
SLOTS, RECORD_BYTES = 5, 17
NEVER = -1

temperatures, lights, humidities = st.integers(-400, 850), st.integers(0, 2000), st.integers(0, 100)


@dataclass(frozen=True)
class Entry:
    boot: int
    seq: int
    tick: int
    tenths: int
    light: int
    humidity: int

    @property
    def words(self) -> str:
        return f"append {self.boot} {self.seq} {self.tick} {self.tenths} {self.light} {self.humidity}"

    @classmethod
    def parse(cls, text: str) -> tuple[Entry, int]:
        key, *values = text.partition("@")[0].split(":")
        boot, seq = key.split("-")
        return cls(int(boot), int(seq), *map(int, values)), int(text.partition("@")[2])


@dataclass
class Ring:
    """The EEPROM, and the driver that works on it."""

    ask: Ask
    slots: int = SLOTS
    boot: int = 1
    worn: tuple[int, ...] = ()
    content: bytes = field(default=b"")

    def __post_init__(self) -> None:
        self.content = self.content or b"\xff" * (self.slots * RECORD_BYTES)

    def act(self, *acts: str, now: int = 0, cut_after: int = NEVER, noise: int = 0xFF) -> Outcome:
        worn = " ".join(str(at) for at in (*self.worn, -1))
        answer = self.ask(f"journal {self.content.hex()} {self.boot} {now} {cut_after} {noise} {worn} {' '.join(acts)}")
        did, holds, content = answer.split(" | ")
        _, _, *results = did.split()
        room, dropped, *entries = holds.split()
        if "cut" in results:  # what the board had in its head is gone
            self.content = bytes.fromhex(content)
            return self.act(now=now) if cut_after != NEVER else Outcome(results, [], [], full=False, dropped=0)
        self.content = bytes.fromhex(content)
        parsed = [Entry.parse(entry) for entry in entries]
        return Outcome(
            results, [e for e, _ in parsed], [a for _, a in parsed], full=room == "full", dropped=int(dropped)
        )


@dataclass(frozen=True)
class Outcome:
    results: list[str]
    entries: list[Entry]
    ages: list[int]
    full: bool
    dropped: int


class JournalMachine(RuleBasedStateMachine):
    """Readings come, are delivered and dropped; the power fails whenever it likes."""

    ask: ClassVar[Ask]

    def __init__(self) -> None:
        super().__init__()
        self.ring = Ring(type(self).ask)
        self.waiting: list[Entry] = []
        self.seq = self.tick = self.dropped = 0
        self.full = False

    def expect(self, outcome: Outcome, *models: list[Entry]) -> None:
        assert outcome.entries in models
        self.waiting = outcome.entries
        self.full = outcome.full  # a record that lost its power before its mark takes room until the ring is past it
        assert self.full or len(self.waiting) < SLOTS - 1

    def new_entry(self, values: tuple[int, int, int]) -> Entry:
        self.seq += 1
        self.tick += 75
        return Entry(self.ring.boot, self.seq, self.tick, *values)

    def reboot(self) -> None:
        self.ring.boot += 1
        self.seq = self.tick = 0

    @rule(values=st.tuples(temperatures, lights, humidities))
    def take(self, values: tuple[int, int, int]) -> None:
        acts = []
        if self.full:
            acts.append("drop")
            self.waiting = self.waiting[1:]
            self.dropped += 1
        entry = self.new_entry(values)
        outcome = self.ring.act(*acts, entry.words)
        assert outcome.results == ["stored"]
        self.expect(outcome, [*self.waiting, entry])
        assert self.ring.act().dropped == self.dropped

    @rule(values=st.tuples(temperatures, lights, humidities), after=st.integers(0, 16), noise=st.integers(0, 255))
    def lose_power_while_storing(self, values: tuple[int, int, int], after: int, noise: int) -> None:
        if self.full:
            return
        entry = self.new_entry(values)
        outcome = self.ring.act(entry.words, cut_after=after, noise=noise)
        self.expect(outcome, self.waiting, [*self.waiting, entry])
        self.reboot()

    @rule(noise=st.integers(0, 255))
    def lose_power_while_marking(self, noise: int) -> None:
        if self.waiting:
            outcome = self.ring.act("pop", cut_after=0, noise=noise)
            self.expect(outcome, self.waiting, self.waiting[1:])
            self.reboot()

    @rule()
    def deliver(self) -> None:
        if self.waiting:
            self.expect(self.ring.act("pop"), self.waiting[1:])

    @rule()
    def restart(self) -> None:
        self.reboot()
        self.expect(self.ring.act(), self.waiting)

    @rule()
    def stand_in_the_shelf_for_thousands_of_boots(self) -> None:
        self.ring.boot += 20_000 if self.ring.boot < 20_000 else 1
        self.seq = self.tick = 0

    @invariant()
    def order_is_kept(self) -> None:
        keys = [(entry.boot, entry.seq) for entry in self.waiting]
        assert keys == sorted(set(keys))


@pytest.mark.slow
def test_no_power_cut_at_any_byte_loses_more_than_the_reading_being_written(ask: Ask) -> None:
    machine = type("Machine", (JournalMachine,), {"ask": staticmethod(ask)})
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=60, stateful_step_count=40, deadline=None,
                          suppress_health_check=[HealthCheck.too_slow]),
    )  # fmt: skip


@given(
    st.integers(1, 2**32 - 1), st.integers(1, 2**24 - 1), st.integers(0, 2**24 - 1), temperatures, lights, humidities
)
def test_every_reading_comes_back_as_it_was(
    ask: Ask, boot: int, seq: int, tick: int, tenths: int, light: int, humidity: int
) -> None:
    entry = Entry(boot, seq, tick, tenths, light, humidity)
    ring = Ring(ask, boot=boot)
    assert ring.act(entry.words).entries == [entry]
    ring.boot = boot + 3 if boot < 2**32 - 3 else boot
    assert ring.act().entries == [entry]


@given(st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=3), min_size=1, max_size=4), st.integers(0, 1000))
def test_ages_are_whole_within_a_boot_and_never_too_long_over_boots(
    ask: Ask, gaps_of_boots: list[list[int]], uptime: int
) -> None:
    """Each boot takes readings some ticks apart and dies with the last; the board then runs for `uptime`."""
    ring = Ring(ask, slots=16)
    born: list[int] = []
    clock = 0  # as if a board had power again at once
    for boot, gaps in enumerate(gaps_of_boots, start=1):
        ring.boot, tick = boot, 0
        for seq, gap in enumerate(gaps, start=1):
            tick += gap
            ring.act(Entry(boot, seq, tick, 210, 0, 0).words)
            born.append(clock + tick)
        clock += tick
    assert ring.act(now=tick + uptime).ages == [clock + uptime - at for at in born]
    ring.boot += 1
    assert ring.act(now=uptime).ages == [clock + uptime - at for at in born]


@given(st.sets(st.integers(0, SLOTS * RECORD_BYTES - 1), max_size=3), st.integers(1, 12))
def test_worn_cells_cost_room_and_no_reading_that_was_stored(ask: Ask, worn: set[int], count: int) -> None:
    ring = Ring(ask, worn=tuple(worn))
    model: list[Entry] = []
    for seq in range(1, count + 1):
        entry = Entry(1, seq, seq, 210, 900, 40)
        outcome = ring.act("pop", entry.words) if model else ring.act(entry.words)
        kept = [e for e in model[1:] if e in outcome.entries]
        assert kept == model[1:]
        model = outcome.entries
        if outcome.results == ["stored"]:
            assert entry in model
        if not worn:
            assert outcome.results == ["stored"]


@given(st.binary(min_size=SLOTS * RECORD_BYTES, max_size=SLOTS * RECORD_BYTES), st.integers(1, 2**32 - 1))
def test_any_content_of_an_eeprom_is_survived(ask: Ask, content: bytes, boot: int) -> None:
    ring = Ring(ask, boot=boot, content=content)
    waiting = len(ring.act().entries)
    assert waiting < SLOTS
    entry = Entry(boot, 1, 0, 210, 900, 40)
    outcome = ring.act(*(["drop"] if waiting == SLOTS - 1 else []), entry.words)
    assert entry in outcome.entries


def test_wear_is_level(ask: Ask) -> None:
    """Over many readings and restarts with nothing waiting, each slot is written as often as any other."""
    ring, writes = Ring(ask), [0] * SLOTS
    for seq in range(1, 101):
        before = ring.content
        ring.act(Entry(ring.boot, seq, seq, 210, 900, 40).words, "pop")
        [slot] = {at // RECORD_BYTES for at in range(len(before)) if before[at] != ring.content[at]}
        writes[slot] += 1
        if seq % 7 == 0:
            ring.boot += 1
    assert writes == [100 // SLOTS] * SLOTS
