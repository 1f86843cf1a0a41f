"""Where two recordings of one test part, such as simulator and hardware. Pure.

A recording is told apart into strands, each compared by itself, since on a board in real time it is chance how they
interleave: the dialogue (calls and their replies), the starts, the troubles that the board told of, and its readings,
each with what was said and posted of it.

| what differs by nature | and is put aside |
|---|---|
| times | all; lines before the first `!boot`, and replies before the first call: the host opened the port then |
| boot numbers, ids, builds, addresses, causes of resets, how many readings wait | their values in lines |
| measured values, what `STAT?` replies | their values in lines and replies |
| how long a test took | readings of a start beyond those that the other board took in it, or that did not end |
| readings from before | what is said and posted of a reading that was taken before the recording began |
| HTTP | what `plantkeeper_hil.traffic.nature` lists |
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile, zip_longest

from plantkeeper_hil.board.cassette import Cassette
from plantkeeper_hil.traffic.connection import Connection
from plantkeeper_hil.traffic.http import messages
from plantkeeper_hil.traffic.nature import plain_lines

_BY_NATURE = (
    (re.compile(r"\b(key=)\d+-"), r"\1<boot>-"),
    (re.compile(r"\b(boot|id|temperature|humidity|light|cause|fw|waiting|ip|router|lease_s)=[^ ]+"), r"\1=<…>"),
    (re.compile(r"^PlantKeeper,.*"), "PlantKeeper,<…>"),
    (re.compile(r"^\d+-\d+,(\d+)$"), r"<key>,\1"),
    (re.compile(r"^-?\d+(\.\d+)?(,-?\d+(\.\d+)?){2}$"), "<numbers>"),
    (re.compile(r"^\d+(,\d+){5},\w+,.*$"), "<counters, state>"),  # of STAT?
)
_OF_A_READING = re.compile(r"!(?P<event>taken|delivered|undelivered|dropped) key=(?P<key>\d+-\d+)\b")
_LAST_WORDS = {"delivered", "dropped"}


@dataclass
class Reading:
    """What was said of one reading, and what was posted and answered."""

    said: list[str] = field(default_factory=list)
    posted: list[str] = field(default_factory=list)
    over: bool = False


@dataclass
class Strands:
    """A recording, told apart.

    Args:
        readings: a list for each start of the board, in the order in which they were taken.
    """

    dialogue: list[str] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    readings: list[list[Reading]] = field(default_factory=list)


@dataclass(frozen=True)
class Comparison:
    """Two recordings side by side.

    Args:
        difference: a unified diff of what must be alike; empty where it is.
        readings: how many either took, and how many of them could be compared.
    """

    difference: Sequence[str]
    readings: tuple[int, int, int]


def plain(text: str) -> str:
    """A line without what differs by nature."""
    for pattern, instead in _BY_NATURE:
        text = pattern.sub(instead, text)
    return text


def strands(cassette: Cassette) -> Strands:
    """Tell a recording apart."""
    told = Strands()
    by_key: dict[str, Reading] = {}
    calls = list(cassette.calls)
    started = False
    for number, line in enumerate(cassette.lines):
        while calls and calls[0].after_lines <= number:
            told.dialogue += _called(calls.pop(0).what)
        started = started or line.text.startswith("!boot ")
        if not line.is_event:
            if len(calls) < len(cassette.calls):
                told.dialogue.append(f"< {plain(line.text)}")
        elif started:
            _tell(told, by_key, line.text)
    for call in calls:
        told.dialogue += _called(call.what)
    for exchange in cassette.exchanges:
        _tell_post(told, by_key, exchange.connection)
    return told


def compare(first: Cassette, second: Cassette) -> Comparison:
    """Two recordings of one test."""
    one, other = strands(first), strands(second)
    stories: tuple[list[str], list[str]] = ([], [])
    for story, told in zip(stories, (one, other), strict=True):
        story += ["dialogue:", *told.dialogue, "starts:", *told.starts, "troubles:", *told.troubles]
    compared = 0
    for start, pair in enumerate(zip_longest(one.readings, other.readings, fillvalue=()), 1):
        finished = [list(takewhile(lambda reading: reading.over, readings)) for readings in pair]
        count = min(map(len, finished))
        compared += count
        for story, readings in zip(stories, finished, strict=True):
            for number, reading in enumerate(readings[:count], 1):
                story += [f"start {start}, reading {number}:", *reading.said, *reading.posted]
    difference = list(difflib.unified_diff(*stories, first.board, second.board, lineterm="", n=2))
    ours, theirs = (sum(map(len, told.readings)) for told in (one, other))
    return Comparison(difference, (ours, theirs, compared))


def _tell(told: Strands, by_key: dict[str, Reading], text: str) -> None:
    of_reading = _OF_A_READING.match(text)
    if text.startswith("!boot "):
        told.starts.append(f"< {plain(text)}")
        told.readings.append([])
    elif of_reading is None:
        told.troubles.append(f"< {plain(text)}")
    else:
        event, key = of_reading["event"], of_reading["key"]
        if event == "taken":
            told.readings[-1].append(by_key.setdefault(key, Reading()))
        if key in by_key:
            by_key[key].said.append(f"< {plain(text)}")
            by_key[key].over |= event in _LAST_WORDS


def _tell_post(told: Strands, by_key: dict[str, Reading], connection: Connection) -> None:
    requests = messages(connection.sent)
    lines = [f"→ {line}" for request in requests for line in plain_lines(request)]
    lines += [f"← {line}" for answer in messages(connection.received) for line in plain_lines(answer)]
    keys = [request.header("Idempotency-Key") for request in requests]
    if requests and None in keys:
        told.troubles += ["a request without a key:", *lines]
    for key in dict.fromkeys(keys):
        if key is not None and key.strip('"') in by_key:
            by_key[key.strip('"')].posted += lines


def _called(what: str) -> Iterable[str]:
    return [f"> {line}" for line in what.splitlines()]
