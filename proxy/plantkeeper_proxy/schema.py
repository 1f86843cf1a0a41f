"""Whether the database has the schema that is needed: a wrong one is refused, an absent database is waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NoReturn

import psycopg2

from plantkeeper_proxy.database import Row, connect
from plantkeeper_proxy.errors import SchemaError, StoreError
from plantkeeper_proxy.queries import queries

REVISION = "0004"  # of the schema that gateway and forwarder need at least: the newest `pre` migration of a release
WAIT_S = 5.0
RETRY_S = 1.0
TELL_EVERY_S = 60.0
log = logging.getLogger(__name__)


def judge_revision(rows: Sequence[Row]) -> str:
    """Make sure that the rows of the query `revision` name a schema that this program works on.

    Returns:
        The revision: the one that is needed, or a later one that leaves in place what we need.

    Raises:
        SchemaError: they do not; says what to do.
    """
    found, since = (str(rows[0][0]), rows[0][1]) if rows else (None, None)
    if found is not None and (found == REVISION or (since is not None and str(since) <= REVISION < found)):
        return found
    if found is not None and found > REVISION:
        remedy = f"install the gateway that belongs to it, or restore the database of before {found}"
    else:
        remedy = "run plantkeeper-db migrate (under Compose: docker compose run --rm db-tools migrate)"
    raise SchemaError(
        f"the schema is at revision {found or 'none'}, this gateway needs {REVISION}; {remedy}", found=found
    )


def judge_failure(error: StoreError) -> NoReturn:
    """What a failed query `revision` means.

    Raises:
        SchemaError: the database has no schema.
        StoreError: as it came.
    """
    if isinstance(error.__cause__, psycopg2.errors.UndefinedTable):
        judge_revision([])
    raise error


async def check_schema(dsn: str, *, name: str) -> None:
    """Ask a database for its schema.

    Args:
        dsn: libpq connection string or URL.
        name: how the server lists the connection.

    Raises:
        SchemaError: it has another than is needed.
        StoreError: it does not answer.
    """
    database = await connect(dsn, name=name, wait_s=WAIT_S)
    try:
        rows = await database.run(queries()["revision"])
    except StoreError as error:
        judge_failure(error)
    else:
        judge_revision(rows)
    finally:
        database.close()


async def wait_for_schema(dsn: str, *, name: str) -> None:
    """Ask until the database answers; it may come up later than we do.

    Raises:
        SchemaError: it answered, and has another schema than is needed.
    """
    loop = asyncio.get_running_loop()
    tell_at_s = loop.time()
    while True:
        try:
            await check_schema(dsn, name=name)
        except SchemaError:
            raise
        except StoreError as error:
            if loop.time() >= tell_at_s:
                log.error("waiting for the database: %s", error)  # noqa: TRY400 - the message says it all
                tell_at_s = loop.time() + TELL_EVERY_S
            await asyncio.sleep(RETRY_S)
        else:
            return
