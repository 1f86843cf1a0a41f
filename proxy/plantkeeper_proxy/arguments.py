"""The words of the command line of plantkeeper-proxy. Imports none of the commands: each process loads its own."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from plantkeeper_proxy.message import MAX_ID

DEFAULT_GRACE = "7d"
MAX_GRACE_S = 366 * 86_400
_GRACE = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parser() -> argparse.ArgumentParser:
    """All commands, their options and what they mean."""
    command_line = argparse.ArgumentParser(prog="plantkeeper-proxy", description="The PlantKeeper gateway.")
    commands = command_line.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="take readings from boards and store them")
    serve.add_argument("--listen-fd", type=int, help="descriptor of a listening socket, inherited from the parent")
    forward = commands.add_parser("forward", help="forward stored readings to the backend")
    forward.add_argument("--ready-file", type=Path, help="file to touch once the outbox is watched, and every 15 s")
    _device(commands)
    _deadletter(commands)
    commands.add_parser("settings", help="list all settings with unit, default and value, secrets hidden")
    return command_line


def _device(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the commands to argparse."""
    device = commands.add_parser("device", help="issue, rotate, revoke and list the keys that devices sign with")
    actions = device.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="give a device its first key; prints it, once")
    rotate = actions.add_parser("rotate", help="give a device its next key; prints it, once")
    revoke = actions.add_parser("revoke", help="end a device's keys at once")
    for parser in (add, rotate, revoke):
        parser.add_argument("device_id", metavar="ID", type=_device_id, help="the device's number at the backend")
    rotate.add_argument(
        "--grace",
        dest="grace_s",
        type=parse_grace_s,
        default=DEFAULT_GRACE,
        help=f"how long the key before stays valid: such as 90s, 30m, 12h, 7d; 0s ends it at once ({DEFAULT_GRACE})",
    )
    revoke.add_argument("--key", dest="number", type=_number, help="only this one, by its number")
    listing = actions.add_parser("list", help="list keys and their state, never a secret")
    listing.add_argument("--json", dest="as_json", action="store_true", help="as JSON, times in UTC")
    actions.add_parser("reseal", help="encrypt all usable keys under the first master key, so that the others can go")


def _deadletter(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The words of the command."""
    parser = commands.add_parser("deadletter", help="readings that the backend refused for good")
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="a line for each, oldest first")
    listing.add_argument("--device", type=int, help="of this device only")
    listing.add_argument("--limit", type=int, default=100, help="at most so many (default 100)")
    listing.add_argument("--json", action="store_true", help="a JSON object a line")
    show = actions.add_parser("show", help="all about one")
    show.add_argument("reading", type=int, help="id of the reading")
    for name, what in (("retry", "send again, in their device's order"), ("drop", "forget; the reading itself stays")):
        action = actions.add_parser(name, help=what)
        action.add_argument("reading", type=int, nargs="*", help="ids of readings")
        action.add_argument("--device", type=int, help="all of this device")
        action.add_argument("--all", action="store_true", help="all that there are")
    actions.choices["retry"].add_argument(
        "--even-stale", action="store_true", help="also where the backend has a later reading of the device"
    )


def parse_grace_s(text: str) -> int:
    """A duration such as `7d` in s."""
    match = _GRACE.fullmatch(text)
    seconds = int(match[1]) * _UNIT_S[match[2]] if match else MAX_GRACE_S + 1
    if seconds > MAX_GRACE_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not accepted; expected such as 90s, 30m, 12h or 7d, up to 366d")
    return seconds


def _device_id(text: str) -> int:
    return _whole(text, "device id")


def _number(text: str) -> int:
    return _whole(text, "key number")


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) <= MAX_ID):
        raise argparse.ArgumentTypeError(f"{text!r} is no {what}; expected a whole number, 1…{MAX_ID}")
    return int(text)
