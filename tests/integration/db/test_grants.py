"""The gateway's role may do what the gateway's statements need and nothing else; above all, it changes no schema."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import resources

import psycopg2
import pytest
from psycopg2 import errors, extensions

from plantkeeper_db.grants import SEQUENCES, TABLES

pytestmark = pytest.mark.integration
Command = Callable[..., "subprocess.CompletedProcess[str]"]
ROLE = "gateway of a test"
ARGUMENT = re.compile(r"%\(\w+\)s")
# what a trigger does, and what a sequence gives, shows only where it runs
RUN = ["UPDATE device_key SET first_used_at = now()", "SELECT nextval('reading_id')"]
DDL = [
    "CREATE TABLE more (a integer)",
    "CREATE TEMPORARY TABLE more (a integer)",
    "CREATE SCHEMA more",
    "CREATE FUNCTION more() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "DROP TABLE outbox",
    "ALTER TABLE outbox ADD COLUMN more integer",
    "TRUNCATE outbox",
    "SELECT make_reading_partition('2099-01-01')",
    "UPDATE alembic_version SET version_num = '9999'",
    "UPDATE reading SET light = 0",
    "DELETE FROM reading",
    "DELETE FROM device_key",
]


def statements() -> list[str]:
    """Every statement of the gateway, as one that can be run without arguments and changes nothing."""
    found = [*RUN]
    for name in ("queries.sql", "device_queries.sql"):
        text = resources.files("plantkeeper_proxy").joinpath(name).read_text("utf-8")
        for statement in re.sub(r"--.*", "", text).split(";"):
            bare = ARGUMENT.sub("NULL", statement).replace("%%", "%").strip()
            if bare:
                found.append(bare if bare.startswith(("LOCK", "LISTEN")) else f"EXPLAIN {bare}")
    return found


@pytest.fixture
def database(empty_dsn: str, plantkeeper_db: Command) -> Iterator[extensions.connection]:
    """A migrated database whose schema's owner is no superuser, in a transaction as that owner."""
    with closing(psycopg2.connect(empty_dsn)) as connection:
        with connection.cursor() as cursor:
            for role in (ROLE, "plantkeeper_owner"):
                cursor.execute(f"""DO $$ BEGIN CREATE ROLE "{role}"; EXCEPTION WHEN duplicate_object THEN END $$""")
            cursor.execute(f'REVOKE TEMPORARY ON DATABASE "{connection.info.dbname}" FROM PUBLIC')
            cursor.execute(f'ALTER DATABASE "{connection.info.dbname}" OWNER TO plantkeeper_owner')
        connection.commit()
        dsn = f"{empty_dsn}{'&' if '?' in empty_dsn else '?'}options=-crole%3Dplantkeeper_owner"
        done = plantkeeper_db("migrate", "--gateway-role", ROLE, dsn=dsn)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(f"granted: {ROLE} may do what the gateway does\n")
        yield connection
        connection.rollback()


def refused(connection: extensions.connection, script: list[str]) -> list[str]:
    """The statements that the role has no privilege for; nothing stays of any."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        for statement in script:
            cursor.execute(f'SET LOCAL ROLE "{ROLE}"')
            try:
                cursor.execute(statement)
            except errors.InsufficientPrivilege:
                found.append(statement)
            cursor.execute("ROLLBACK TO before")
    return found


def test_every_statement_of_the_gateway_may_run(database: extensions.connection) -> None:
    assert len(statements()) > 30
    assert refused(database, statements()) == []


def test_each_privilege_is_needed(database: extensions.connection) -> None:
    needless = defaultdict(list)
    kinds = {"TABLE": TABLES, "SEQUENCE": SEQUENCES}
    for kind, grants in kinds.items():
        for name, privileges in grants.items():
            for privilege in privileges.split(", "):
                with database.cursor() as cursor:
                    cursor.execute(f'REVOKE {privilege} ON {kind} {name} FROM "{ROLE}"')
                if not refused(database, statements()):
                    needless[name].append(privilege)
                database.rollback()
    assert needless == {}


def test_it_neither_makes_nor_drops_nor_alters_anything(database: extensions.connection) -> None:
    assert refused(database, DDL) == DDL


def test_migrate_takes_back_what_is_too_much(
    database: extensions.connection, plantkeeper_db: Command, empty_dsn: str
) -> None:
    with database.cursor() as cursor:
        cursor.execute(f'GRANT DELETE ON reading TO "{ROLE}"')
    database.commit()
    assert "DELETE FROM reading" not in refused(database, DDL)
    database.rollback()
    # not while the gateways of before may need it
    assert plantkeeper_db("migrate", "--phase", "pre", "--gateway-role", ROLE, dsn=empty_dsn).returncode == 0
    assert "DELETE FROM reading" not in refused(database, DDL)
    database.rollback()
    done = plantkeeper_db("migrate", "--gateway-role", ROLE, dsn=empty_dsn)
    assert done.stdout.startswith("applied: nothing, the schema is up to date\n"), done.stderr
    assert refused(database, DDL) == DDL


def test_a_role_that_is_not_there_is_named(plantkeeper_db: Command, database_dsn: str) -> None:
    done = plantkeeper_db("migrate", "--gateway-role", "nobody's", dsn=database_dsn)
    assert done.returncode == 2
    assert """there is no role "nobody's" to grant anything to""" in done.stderr
