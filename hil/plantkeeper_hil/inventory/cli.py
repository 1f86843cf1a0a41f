"""`hil boards scan | list | hold | release`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import threading
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from plantkeeper_hil.inventory import boards_file, entries, holding, usb
from plantkeeper_hil.inventory.entries import Entry
from plantkeeper_hil.locks import LockedError
from plantkeeper_hil.project import Project

HOW_TO_ATTACH = (
    "Attach one by USB and run `hil boards scan`; in a container, pass its device on "
    "(--device /dev/ttyACM0). A board elsewhere goes into boards.yaml by hand, with its port (docs/hil.md); "
    "without hardware: `nox -s hil -- --emulated-board`"
)
NO_BOARD = f"no board is plugged in. {HOW_TO_ATTACH}"
NOTHING_STATUS = 1
RELEASE_TIMEOUT_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands and their options."""
    commands = parser.add_subparsers(required=True, metavar="command")
    scan = commands.add_parser("scan", help="look what is plugged in and merge it into boards.yaml")
    scan.set_defaults(run=_scan)
    listing = commands.add_parser("list", help="the boards in boards.yaml: plugged in, held, by whom")
    listing.set_defaults(run=_list)
    hold = commands.add_parser("hold", help="keep a board to yourself until Ctrl-C or `hil boards release`")
    hold.add_argument("id")
    hold.add_argument("--reason", default="by hand", help="what for; others are told")
    hold.set_defaults(run=_hold)
    release = commands.add_parser("release", help="end a `hil boards hold`")
    release.add_argument("id")
    release.set_defaults(run=_release)


def lock_key(entry: Entry) -> str:
    """What a board's lock goes by."""
    return entry.serial or entry.port or entry.id


def _scan(project: Project, _options: argparse.Namespace) -> int:
    path = boards_file.path_of(project)
    ports = usb.scan()
    known = boards_file.load(path)
    merged = entries.merge(known, ports)
    if merged != known:
        boards_file.save(path, merged)
    if merged:
        _print(merged)
    for port, reason in entries.unidentified(ports):
        print(f"{port.device} ({port.name}, at {port.location}) {reason}")
    if not any(entry.connected or entry.port for entry in merged):
        print(NO_BOARD)
        return NOTHING_STATUS
    print(f"{sum(entry.connected for entry in merged)} plugged in; list: {path}")
    return 0


def _list(project: Project, _options: argparse.Namespace) -> int:
    merged = entries.merge(boards_file.load(boards_file.path_of(project)), usb.scan())
    if not merged:
        print(NO_BOARD)
        return NOTHING_STATUS
    _print(merged)
    return 0


def _print(boards: Sequence[Entry]) -> None:
    table = Table("id", "platform", "product", "serial", "connected", "held by", "notes")
    for entry in boards:
        state = holding.lock_of(lock_key(entry), entry.id, holding.folder()).state()
        held = ""
        if state.held:
            held = state.holder.describe(time.time()) if state.holder else "another process"
        elif state.holder:
            held = f"nobody (process {state.holder.pid} died)"
        where = entry.port if entry.port else "yes" if entry.connected else "no"
        table.add_row(entry.id, entry.platform, entry.product, entry.serial or "", where, held, entry.notes)
    Console(highlight=False).print(table)


def _hold(project: Project, options: argparse.Namespace) -> int:
    entry = entries.by_id(boards_file.load(boards_file.path_of(project)), options.id)
    ended = threading.Event()
    with holding.lock_of(lock_key(entry), entry.id, holding.folder()) as lock:
        lock.acquire(holding.HOLD + options.reason)
        signal.signal(signal.SIGTERM, lambda _number, _frame: ended.set())
        print(f"board {entry.id} is yours until Ctrl-C, or `hil boards release {entry.id}`", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            ended.wait()
    return 0


def _release(project: Project, options: argparse.Namespace) -> int:
    entry = entries.by_id(boards_file.load(boards_file.path_of(project)), options.id)
    lock = holding.lock_of(lock_key(entry), entry.id, holding.folder())
    state = lock.state()
    if not state.held:
        print(f"board {entry.id} is held by nobody")
        return 0
    if state.holder is None or not state.holder.reason.startswith(holding.HOLD):
        by = state.holder.describe(time.time()) if state.holder else "another process"
        raise LockedError(f"board {entry.id} is in use by {by}; that ends by itself, or end it by its pid")
    try:
        os.kill(state.holder.pid, signal.SIGTERM)
    except OSError as error:
        raise LockedError(f"board {entry.id}: process {state.holder.pid} cannot be told to let go: {error}") from error
    deadline_s = time.monotonic() + RELEASE_TIMEOUT_S
    while lock.state().held:
        if time.monotonic() > deadline_s:
            raise LockedError(
                f"board {entry.id}: process {state.holder.pid} did not let go within {RELEASE_TIMEOUT_S:g} s"
            )
        time.sleep(0.02)
    print(f"board {entry.id} is free")
    return 0
