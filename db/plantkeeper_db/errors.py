"""Errors of the database commands: DatabaseCommandError is the base of all."""


class DatabaseCommandError(Exception):
    """A command cannot be carried out; the message says what to do."""


class UsageError(DatabaseCommandError):
    """An argument or a setting makes no sense."""


class UnreachableError(DatabaseCommandError):
    """PostgreSQL cannot be reached, or refuses us."""


class MigrationError(DatabaseCommandError):
    """The schema is not one that these commands can bring up to date."""
