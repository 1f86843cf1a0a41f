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
from sqlalchemy.engine import Connection

from plantkeeper_db.errors import MigrationError

MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True)
class Status:
    """Where the schema is.

    Args:
        current: revision of the database; None where there is no schema yet.
        head: revision of the newest migration.
        pending: revisions still to be applied, oldest first.
    """

    current: str | None
    head: str
    pending: tuple[str, ...]

    @property
    def up_to_date(self) -> bool:
        """Whether nothing is pending."""
        return not self.pending


def status(connection: Connection) -> Status:
    """Compare the database with the migrations.

    Raises:
        MigrationError: the database has a revision that these migrations do not know.
    """
    script = ScriptDirectory.from_config(_config(connection))
    current = MigrationContext.configure(connection).get_current_revision()
    head = script.get_current_head() or ""
    try:
        pending = [revision.revision for revision in script.iterate_revisions(head, current or "base")]
    except (CommandError, RevisionError) as error:
        raise MigrationError(
            f"the database has schema revision {current!r}, which these migrations do not know (newest: {head!r}); "
            "it was made by a newer version: use that version's plantkeeper-db"
        ) from error
    return Status(current, head, tuple(reversed(pending)))


def migrate(connection: Connection) -> Status:
    """Apply what is pending, all of it in one transaction; returns the status from before.

    Raises:
        MigrationError: the database has a revision that these migrations do not know.
    """
    before = status(connection)
    if not before.up_to_date:
        command.upgrade(_config(connection), "head")
        connection.commit()
    return before


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
