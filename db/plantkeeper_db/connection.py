"""A connection to PostgreSQL, for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from plantkeeper_db.errors import UnreachableError

CONNECT_TIMEOUT_S = 10


@contextmanager
def connect(dsn: str) -> Iterator[Connection]:
    """Connect with a libpq connection string or URL.

    Raises:
        UnreachableError: PostgreSQL cannot be reached, or refuses us.
    """
    engine = create_engine(
        "postgresql+psycopg2://",
        creator=lambda: psycopg2.connect(dsn, connect_timeout=CONNECT_TIMEOUT_S, application_name="plantkeeper-db"),
        poolclass=NullPool,
    )
    try:
        connection = engine.connect()
    except (DBAPIError, psycopg2.Error) as error:
        reason = str(getattr(error, "orig", None) or error).strip()
        raise UnreachableError(
            f"cannot connect to PostgreSQL: {reason}\ncheck PLANTKEEPER_DATABASE_DSN or --dsn, and that the server runs"
        ) from error
    with connection:
        yield connection
