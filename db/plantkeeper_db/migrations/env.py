"""Alembic's environment: migrations run on the connection that the command gives."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.execute("SELECT pg_advisory_xact_lock(20824, 1)")  # two migrations at once wait for each other
    context.run_migrations()
