"""The schema's revision: which one is there, which one these migrations lead to, and the way between."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlalchemy.engine import Connection

from plantkeeper_db.errors import MigrationError
from plantkeeper_db.phases import PHASES, Migration, to_apply, works_since

MIGRATIONS = Path(__file__).parent / "migrations"
# gateways read it there (the query `revision`): a newer schema than theirs may still do
SINCE = "COMMENT ON TABLE alembic_version IS 'works since {}'"


@dataclass(frozen=True)
class Status:
    """Where the schema is.

    Args:
        current: revision of the database; None where there is no schema yet.
        head: revision of the newest migration.
        pending: migrations still to be applied, oldest first.
    """

    current: str | None
    head: str
    pending: tuple[Migration, ...]

    @property
    def up_to_date(self) -> bool:
        """Whether nothing is pending."""
        return not self.pending


def status(connection: Connection) -> Status:
    """Compare the database with the migrations.

    Raises:
        MigrationError: the database has a revision that these migrations do not know.
    """
    script = _script(connection)
    current = MigrationContext.configure(connection).get_current_revision()
    head = script.get_current_head() or ""
    try:
        pending = _migrations(script, current or "base", head)
    except (CommandError, RevisionError) as error:
        raise MigrationError(
            f"the database has schema revision {current!r}, which these migrations do not know (newest: {head!r}); "
            "it was made by a newer version: use that version's plantkeeper-db"
        ) from error
    return Status(current, head, pending)


def migrate(connection: Connection, *, phase: str | None = None) -> tuple[str, ...]:
    """Apply what is pending, all of it in one transaction; returns the revisions.

    Args:
        phase: only migrations of this phase; None: all.

    Raises:
        MigrationError: the database has a revision that these migrations do not know.
        UsageError: migrations of the other phase come first.
    """
    revisions = to_apply(status(connection).pending, phase)
    if revisions:
        command.upgrade(_config(connection), revisions[-1])
        since = works_since(_migrations(_script(connection), "base", revisions[-1]))
        connection.execute(text(SINCE.format(since)))
        connection.commit()
    return revisions


def _script(connection: Connection) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(connection))


def _migrations(script: ScriptDirectory, after: str, until: str) -> tuple[Migration, ...]:
    """The migrations between two revisions, oldest first."""
    found = []
    for one in script.iterate_revisions(until, after):
        phase = getattr(one.module, "phase", None)
        if phase not in PHASES:
            raise MigrationError(f"migration {one.revision} has phase {phase!r}; expected one of {', '.join(PHASES)}")
        found.append(Migration(one.revision, phase))
    return tuple(reversed(found))


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
