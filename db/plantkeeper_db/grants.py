"""What the gateway's role may do: exactly what its statements need, and nothing that changes the schema."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.engine import Connection

from plantkeeper_db.errors import UsageError

# Readings and keys are only ever added by it; partitions are reached through `reading`, which is enough.
TABLES: Mapping[str, str] = {
    "alembic_version": "SELECT",
    "dead_letter": "SELECT, INSERT, UPDATE, DELETE",
    "device": "SELECT",
    "device_key": "SELECT, INSERT, UPDATE",
    "device_key_version": "SELECT, UPDATE",
    "device_sequence": "SELECT, INSERT, UPDATE",
    "forwarder": "SELECT, INSERT, UPDATE, DELETE",
    "lane": "SELECT, INSERT, UPDATE",
    "outbox": "SELECT, INSERT, DELETE",
    "reading": "SELECT, INSERT",
    "reading_default": "SELECT",
    "reading_key": "SELECT, INSERT",
}
SEQUENCES: Mapping[str, str] = {"reading_id": "USAGE"}


def grant(connection: Connection, role: str, *, take_back: bool = True) -> None:
    """Give a role what the gateway needs in the schema `public`.

    Args:
        role: its name.
        take_back: whether to take from it what else it has there.

    Raises:
        UsageError: there is no such role.
    """
    if connection.execute(text("SELECT FROM pg_roles WHERE rolname = :role"), {"role": role}).first() is None:
        raise UsageError(
            f"there is no role {role!r} to grant anything to; make it (CREATE ROLE … LOGIN), or unset "
            "PLANTKEEPER_GATEWAY_ROLE where the gateway connects as the schema's owner"
        )
    name = connection.dialect.identifier_preparer.quote(role)
    for kind in ("TABLES", "SEQUENCES") if take_back else ():
        connection.execute(text(f"REVOKE ALL ON ALL {kind} IN SCHEMA public FROM {name}"))
    for table, privileges in TABLES.items():
        connection.execute(text(f"GRANT {privileges} ON TABLE {table} TO {name}"))
    for sequence, privileges in SEQUENCES.items():
        connection.execute(text(f"GRANT {privileges} ON SEQUENCE {sequence} TO {name}"))
    connection.commit()
