"""`plantkeeper-proxy device add | rotate | revoke | list | reseal`: device keys, by hand."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class in spite of its name

from plantkeeper_proxy import device_keys
from plantkeeper_proxy.database import reason
from plantkeeper_proxy.device_keys import IssuedKey, ListedKey
from plantkeeper_proxy.errors import DeviceKeyError, SettingsError
from plantkeeper_proxy.vault import Vault, master_keys

DSN_VARIABLE = "PLANTKEEPER_DATABASE_DSN"
CONNECT_TIMEOUT_S = 10
TABLE = ("KEY", "STATE", "CREATED", "FIRST USED", "DEVICE AT")


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """Carry out a command.

    Raises:
        SettingsError: no database is named.
        VaultError: the master key is missing or wrong.
        DeviceKeyError: it cannot be carried out.
    """
    _ACTIONS[options.action](options, environment)


def table(keys: Sequence[ListedKey]) -> str:
    """Keys as a person reads them."""
    rows = [TABLE, *(_row(key) for key in keys)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TABLE))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_json(keys: Sequence[ListedKey]) -> str:
    """Keys as a program reads them."""
    fields = [
        {
            "device": key.device_id,
            "number": key.number,
            "keyid": f"{key.device_id}.{key.number}",
            "state": key.state,
            "created_at": _iso(key.created_at),
            "valid_until": _iso(key.valid_until),
            "revoked_at": _iso(key.revoked_at),
            "first_used_at": _iso(key.first_used_at),
            "device_at": None if key.reached is None else "{}-{}".format(*key.reached),
        }
        for key in keys
    ]
    return json.dumps(fields, indent=2)


def _add(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    vault = Vault(master_keys(environment))
    with _connect(environment) as connection:
        issued = device_keys.add(connection, vault, options.device_id, random=secrets.token_bytes)
    _show(issued)


def _rotate(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    vault, grace_s = Vault(master_keys(environment)), options.grace_s
    with _connect(environment) as connection:
        issued = device_keys.rotate(connection, vault, options.device_id, grace_s=grace_s, random=secrets.token_bytes)
    _show(issued)


def _revoke(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    with _connect(environment) as connection:
        ended = device_keys.revoke(connection, options.device_id, options.number)
    for number in ended:
        print(f"key {options.device_id}.{number} is revoked")
    if not ended:
        which = "no key" if options.number is None else f"key {options.device_id}.{options.number} not"
        print(f"{which} in force; nothing to revoke")


def _list(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    with _connect(environment) as connection:
        keys = device_keys.listed(connection)
    print(as_json(keys) if options.as_json else table(keys))


def _reseal(_options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    vault = Vault(master_keys(environment))
    with _connect(environment) as connection:
        count, of = device_keys.reseal(connection, vault, random=secrets.token_bytes)
    print(f"encrypted {count} of {of} usable keys anew; the first master key now opens them all")


_ACTIONS: Mapping[str, Callable[[argparse.Namespace, Mapping[str, str]], None]] = {
    "add": _add,
    "rotate": _rotate,
    "revoke": _revoke,
    "list": _list,
    "reseal": _reseal,
}


@contextmanager
def _connect(environment: Mapping[str, str]) -> Iterator[Connection]:
    """A connection for one transaction, committed where nothing is raised."""
    dsn = environment.get(DSN_VARIABLE, "").strip()
    if not dsn:
        raise SettingsError(f"{DSN_VARIABLE} is not set; expected such as postgresql://user@host/plantkeeper")
    try:
        connection = psycopg2.connect(
            dsn, connect_timeout=CONNECT_TIMEOUT_S, application_name="plantkeeper-device", options="-c timezone=UTC"
        )
    except psycopg2.Error as error:
        raise DeviceKeyError(
            f"cannot connect to PostgreSQL: {reason(error)}; check {DSN_VARIABLE}, and that the server runs"
        ) from error
    try:
        with connection:
            yield connection
    except psycopg2.errors.UndefinedTable as error:
        raise DeviceKeyError("the database has no tables for device keys; run plantkeeper-db migrate first") from error
    except psycopg2.Error as error:
        raise DeviceKeyError(f"PostgreSQL failed, nothing was changed: {reason(error)}") from error
    finally:
        connection.close()


def _show(issued: IssuedKey) -> None:
    """The key alone on stdout, for a script; what a person should know on stderr."""
    for number, ends_at in issued.ending:
        print(f"key {issued.device_id}.{number} is valid until {_iso(ends_at)}", file=sys.stderr)
    print(f"keyid {issued.device_id}.{issued.number}, and its key, which is not shown again:", file=sys.stderr)
    print(f"{issued.device_id}.{issued.number} {issued.secret.hex()}", flush=True)


def _row(key: ListedKey) -> tuple[str, ...]:
    state = key.state
    if key.state == "grace":
        state = f"grace until {_iso(key.valid_until)}"
    reached = "-" if key.reached is None else "{}-{}".format(*key.reached)
    return (
        f"{key.device_id}.{key.number}",
        state,
        _iso(key.created_at) or "",
        _iso(key.first_used_at) or "never",
        reached,
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
