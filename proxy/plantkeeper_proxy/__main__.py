"""`plantkeeper-proxy serve | forward | device | deadletter | settings`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from plantkeeper_proxy import logs
from plantkeeper_proxy.arguments import parser
from plantkeeper_proxy.errors import GatewayError
from plantkeeper_proxy.setting import Sources, effective, unknown_variables
from plantkeeper_proxy.settings import DATABASE_DSN, SETTINGS, forwarder_settings, gateway_settings, log_settings
from plantkeeper_proxy.settings_list import listing

ERROR_STATUS = 2
log = logging.getLogger("plantkeeper_proxy")


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Run a command until SIGTERM or SIGINT; 2 is an error in settings or schema."""
    options = parser().parse_args(arguments)
    environment = os.environ if environment is None else environment
    try:
        if options.command == "settings":
            return _settings(environment)
        logs.configure(log_settings(environment))
        for sentence in unknown_variables(environment, SETTINGS):
            log.warning("%s", sentence)
        if options.command == "serve":
            _serve(options.listen_fd, environment)
        elif options.command == "device":
            _device(options, environment)
        elif options.command == "deadletter":
            return _deadletter(options, environment)
        else:
            _forward(options.ready_file, environment)
    except GatewayError as error:
        print(f"error: {error}", file=sys.stderr)
        return ERROR_STATUS
    return 0


def _serve(listen_fd: int | None, environment: Mapping[str, str]) -> None:
    from plantkeeper_proxy.server import run  # noqa: PLC0415 - the forwarder does without a web server

    run(gateway_settings(environment), listen_fd)


def _forward(ready_file: Path | None, environment: Mapping[str, str]) -> None:
    from plantkeeper_proxy.forwarder import run  # noqa: PLC0415 - the web server does without the forwarder

    run(forwarder_settings(environment), ready=ready_file.touch if ready_file is not None else lambda: None)


def _device(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    from plantkeeper_proxy.device_cli import run  # noqa: PLC0415 - the forwarder does without cryptography

    run(options, effective(environment, SETTINGS))


def _deadletter(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    from plantkeeper_proxy import deadletters  # noqa: PLC0415 - as above
    from plantkeeper_proxy.store import ReadingStore  # noqa: PLC0415

    store = ReadingStore(Sources(environment, SETTINGS).read(DATABASE_DSN))
    try:
        store.check()
        return deadletters.run(options, store)
    finally:
        store.close()


def _settings(environment: Mapping[str, str]) -> int:
    text, good = listing(environment)
    print(text)
    for sentence in unknown_variables(environment, SETTINGS):
        print(f"warning: {sentence}", file=sys.stderr)
    return 0 if good else ERROR_STATUS


if __name__ == "__main__":
    sys.exit(main())
