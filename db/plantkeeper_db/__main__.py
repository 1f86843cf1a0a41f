"""`plantkeeper-db`: schema and seeding as explicit commands; nothing else ever runs them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy.engine import Connection

from plantkeeper_db import grants, partitions, schema, setting
from plantkeeper_db.connection import connect
from plantkeeper_db.devices import parse_devices
from plantkeeper_db.errors import DatabaseCommandError, UsageError
from plantkeeper_db.phases import PHASES, PRE
from plantkeeper_db.seed import seed

DSN_VARIABLE = "PLANTKEEPER_DATABASE_DSN"
ROLE_VARIABLE = "PLANTKEEPER_GATEWAY_ROLE"
ERROR_STATUS, PENDING_STATUS = 2, 3
MOST_MONTHS = 1200


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Carry out a command; 0 is well, 2 an error, 3 (status only) that migrations are pending."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options, os.environ if environment is None else environment)
    except DatabaseCommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return ERROR_STATUS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="plantkeeper-db", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--dsn",
        help=f"connection string or URL of the database (default: {DSN_VARIABLE}, or what {DSN_VARIABLE}_FILE names)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("status", parents=[common], help="say which revision the schema has; status 3: not the newest")
    migrating = commands.add_parser("migrate", parents=[common], help="bring the schema up to date")
    migrating.add_argument(
        "--phase", choices=PHASES, help="only what goes before (pre), or after, the new gateways (post)"
    )
    migrating.add_argument(
        "--gateway-role",
        metavar="ROLE",
        help=f"role that is granted exactly what the gateway needs, each time (default: {ROLE_VARIABLE}, else none)",
    )
    ahead = commands.add_parser("partitions", parents=[common], help="make the coming months' partitions of readings")
    ahead.add_argument("--ahead", type=_months, default=12, help="months after this one (default 12)")
    retention = commands.add_parser("retention", parents=[common], help="drop old months of readings")
    retention.add_argument("--keep-months", type=_months, required=True, help="whole months to keep besides this one")
    retention.add_argument("--dry-run", action="store_true", help="only say what would be dropped")
    seeding = commands.add_parser("seed", parents=[common], help="make devices known")
    seeding.add_argument("--devices", default="1", help="ids, such as 1-3,7 (default 1)")
    return parser


def _months(text: str) -> int:
    """A number of months."""
    months = int(text)
    if not 0 <= months <= MOST_MONTHS:
        raise ValueError(text)
    return months


def _run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    ids = parse_devices(options.devices) if options.command == "seed" else []
    dsn = options.dsn or setting.read(environment, DSN_VARIABLE)
    if not dsn:
        raise UsageError(f"no database named; set {DSN_VARIABLE} or give --dsn, such as postgresql://user@host/name")
    with connect(dsn) as connection:
        match options.command:
            case "status":
                return _status(connection)
            case "migrate":
                _migrate(connection, options.phase, options.gateway_role or setting.read(environment, ROLE_VARIABLE))
            case "partitions":
                made = partitions.make_ahead(connection, today=datetime.now(UTC).date(), months=options.ahead)
                print(f"made: {', '.join(made) or 'nothing, all are there'}")
            case "retention":
                _retention(connection, options)
            case _:
                print(f"added {seed(connection, ids)} of {len(ids)} devices")
    return 0


def _migrate(connection: Connection, phase: str | None, gateway_role: str | None) -> None:
    applied = schema.migrate(connection, phase=phase)
    nothing = "nothing, the schema is up to date" if phase is None else f"nothing, no {phase} migration is pending"
    print(f"applied: {', '.join(applied) or nothing}")
    if gateway_role is not None:
        # after the first half of an upgrade the gateways of before still need what they have
        grants.grant(connection, gateway_role, take_back=phase != PRE)
        print(f"granted: {gateway_role} may do what the gateway does")


def _status(connection: Connection) -> int:
    now = schema.status(connection)
    print(f"schema revision: {now.current or 'none'}")
    print(f"newest revision: {now.head}")
    print(f"pending: {', '.join(f'{one.revision} ({one.phase})' for one in now.pending) or 'nothing'}")
    return 0 if now.up_to_date else PENDING_STATUS


def _retention(connection: Connection, options: argparse.Namespace) -> None:
    today = datetime.now(UTC).date()
    done = partitions.drop_old(connection, today=today, keep_months=options.keep_months, dry_run=options.dry_run)
    verb = "would drop" if options.dry_run else "dropped"
    for name, readings in done.dropped.items():
        print(f"{verb} {name}: {readings} readings")
    for name, why in done.kept.items():
        print(f"kept {name}: {why}")
    print(f"{verb} {len(done.dropped)} partitions and {done.keys} keys")


if __name__ == "__main__":
    sys.exit(main())
