"""`plantkeeper-proxy serve | forward | device | deadletter | settings`."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from plantkeeper_proxy import deadletters, device_cli
from plantkeeper_proxy.authenticity import policy
from plantkeeper_proxy.errors import GatewayError
from plantkeeper_proxy.settings import forwarder_settings, gateway_settings
from plantkeeper_proxy.store import ReadingStore
from plantkeeper_proxy.vault import Vault, has_master_key, master_keys

ERROR_STATUS = 2


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Run a command until SIGTERM or SIGINT; 2 is an error in the settings."""
    options = _parser().parse_args(arguments)
    environment = os.environ if environment is None else environment
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        if options.command == "serve":
            _serve(options.listen_fd, environment)
        elif options.command == "forward":
            _forward(options.ready_file, environment)
        elif options.command == "device":
            device_cli.run(options, environment)
        elif options.command == "deadletter":
            return _deadletter(options, environment)
        else:
            _print_settings(environment)
    except GatewayError as error:
        print(f"error: {error}", file=sys.stderr)
        return ERROR_STATUS
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="plantkeeper-proxy", description="The PlantKeeper gateway.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="take readings from boards and store them")
    serve.add_argument("--listen-fd", type=int, help="descriptor of a listening socket, inherited from the parent")
    forward = commands.add_parser("forward", help="forward stored readings to the backend")
    forward.add_argument("--ready-file", type=Path, help="file to make once the outbox is watched")
    device_cli.add_parser(commands)
    deadletters.add_parser(commands)
    commands.add_parser("settings", help="print the settings as they were understood, secrets hidden")
    return parser


def _serve(listen_fd: int | None, environment: Mapping[str, str]) -> None:
    from plantkeeper_proxy.server import run  # noqa: PLC0415 - the forwarder does without a web server

    rules = policy(environment)
    # without a master key no signature can be checked, which is no trouble while none is asked for
    needs_key = not rules.legacy.firsts or has_master_key(environment)
    vault = Vault(master_keys(environment)) if needs_key else Vault.without_keys()
    run(gateway_settings(environment), listen_fd, policy=rules, vault=vault)


def _forward(ready_file: Path | None, environment: Mapping[str, str]) -> None:
    from plantkeeper_proxy.forwarder import run  # noqa: PLC0415 - the web server does without the forwarder

    run(forwarder_settings(environment), ready=ready_file.touch if ready_file is not None else lambda: None)


def _deadletter(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    store = ReadingStore(gateway_settings(environment).database_dsn)
    try:
        store.check()
        return deadletters.run(options, store)
    finally:
        store.close()


def _print_settings(environment: Mapping[str, str]) -> None:
    """Each half by itself: a machine may run only one of the two commands."""
    for command, read in (("serve", gateway_settings), ("forward", forwarder_settings)):
        print(f"{command}:")
        try:
            settings = asdict(read(environment))
        except GatewayError as error:
            print(f"  {error}")
            continue
        for name, value in settings.items():
            print(f"  {name} = {hide_secrets(name, value)}")


def hide_secrets(name: str, value: object) -> str:
    """A setting as it may be shown: no token, no password."""
    if value is not None and "token" in name:
        return "(hidden)"
    text = re.sub(r"(://[^:/@\s]*:)[^@\s]+@", r"\1(hidden)@", str(value))
    return re.sub(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)", r"\1(hidden)", text)


if __name__ == "__main__":
    sys.exit(main())
