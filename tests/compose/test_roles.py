"""Who may do what in the composed database, over the network, with the password that each has."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import errors

from plantkeeper_hil.stack.compose import ComposeStack

ROLES = """
SELECT rolname, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls FROM pg_roles
WHERE rolcanlogin AND rolname IN ('plantkeeper_owner', 'plantkeeper_gateway') ORDER BY 1
"""


def as_role(composed: ComposeStack, secret: str, password: str | None = None) -> str:
    """A connection string as its service has it, but over the port that the harness publishes."""
    dsn = (composed.secrets / secret).read_text().strip()
    user, _, own = dsn.removeprefix("postgresql://").partition("@")[0].partition(":")
    server = composed.dsn.rpartition("@")[2]
    return f"postgresql://{user}:{own if password is None else password}@{server}"


def run(dsn: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True  # CREATE DATABASE wants no transaction around it
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (a integer)",
        "CREATE TEMPORARY TABLE more (a integer)",
        "CREATE SCHEMA more",
        "CREATE DATABASE more",
        "CREATE ROLE more",
        "ALTER TABLE reading ADD COLUMN more integer",
        "DROP TABLE outbox",
        "TRUNCATE outbox",
        "DELETE FROM reading",
        "UPDATE reading SET light = 0",
        "UPDATE alembic_version SET version_num = '9999'",
        "COPY reading TO PROGRAM 'cat'",
        "SET ROLE plantkeeper_owner",
    ],
)
def test_the_gateways_role_may_not(statement: str, composed: ComposeStack) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        run(as_role(composed, "gateway_dsn"), statement)


def test_no_role_of_ours_is_more_than_it_needs_to_be(composed: ComposeStack) -> None:
    assert run(composed.dsn, ROLES) == [("plantkeeper_gateway", False), ("plantkeeper_owner", False)]
    with pytest.raises(errors.InsufficientPrivilege):
        run(as_role(composed, "owner_dsn"), "CREATE ROLE more")


@pytest.mark.parametrize("secret", ["owner_dsn", "gateway_dsn"])
def test_a_wrong_password_is_refused(secret: str, composed: ComposeStack) -> None:
    assert run(as_role(composed, secret), "SELECT 1") == [(1,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        run(as_role(composed, secret, "wrong"), "SELECT 1")


def test_the_gateways_sessions_do_without_jit(composed: ComposeStack) -> None:
    """With LLVM, as official images have it, each statement would be compiled anew: 0.4 s a reading."""
    assert run(composed.dsn, "SELECT pg_jit_available()") == [(True,)], "this server could not show it"
    log = composed.compose.run(
        *("exec", "-T", "gateway", "python3", "-c"),
        "import asyncio\n"
        "from pathlib import Path\n"
        "from plantkeeper_proxy.database import connect\n"
        "dsn = Path('/run/secrets/gateway_dsn').read_text().strip()\n"
        "async def main():\n"
        "    database = await connect(dsn, name='test', wait_s=5)\n"
        "    print(await database.run('SHOW jit'))\n"
        "    database.close()\n"
        "asyncio.run(main())",
    )
    assert log == "[('off',)]\n"


def test_a_changed_password_holds_once_the_roles_are_made_again(composed: ComposeStack) -> None:
    path: Path = composed.secrets / "gateway_dsn"
    before = path.read_text()
    make = ("exec", "-T", "db", "bash", "/docker-entrypoint-initdb.d/10-roles.sh")
    new = as_role(composed, "gateway_dsn", "changed")
    path.chmod(0o644)
    try:
        path.write_text("postgresql://plantkeeper_gateway:changed@db/plantkeeper\n")
        composed.compose.run(*make)
        assert run(new, "SELECT 1") == [(1,)]
        path.write_text("postgresql://plantkeeper_gateway:a'b@db/plantkeeper\n")
        refused = composed.compose.attempt(*make)
        assert refused.returncode != 0
        assert "expected postgresql://plantkeeper_gateway:PASSWORD@" in refused.stderr
    finally:
        path.write_text(before)
        composed.compose.run(*make)
    assert run(as_role(composed, "gateway_dsn"), "SELECT 1") == [(1,)]
