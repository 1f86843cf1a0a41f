"""`plantkeeper-proxy serve | forward | device | settings`."""

from __future__ import annotations

import argparse
import logging
import os
import random
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from plantkeeper_proxy import device_cli
from plantkeeper_proxy.errors import GatewayError
from plantkeeper_proxy.settings import forwarder_settings, gateway_settings

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
    commands.add_parser("settings", help="print the settings as they were understood, secrets hidden")
    return parser


def _serve(listen_fd: int | None, environment: Mapping[str, str]) -> None:
    from plantkeeper_proxy.server import run  # noqa: PLC0415 - the forwarder does without a web server

    run(gateway_settings(environment), listen_fd)


def _forward(ready_file: Path | None, environment: Mapping[str, str]) -> None:
    from plantkeeper_proxy.forward import Forwarder  # noqa: PLC0415 - the web server does without the forwarder
    from plantkeeper_proxy.outbox import Outbox  # noqa: PLC0415
    from plantkeeper_proxy.upstream import Upstream  # noqa: PLC0415

    settings = forwarder_settings(environment)
    upstream = Upstream(
        settings.backend_url,
        ca=settings.backend_ca,
        token=settings.backend_token,
        timeout_s=settings.backend_timeout_s,
    )
    forwarder = Forwarder(
        lambda: Outbox(settings.database_dsn),
        upstream,
        connections=settings.connections,
        random=random.SystemRandom().random,
        ready=ready_file.touch if ready_file is not None else lambda: None,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: forwarder.stop())
    forwarder.run()


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
