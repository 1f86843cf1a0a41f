"""Flask with one INSERT and commit a request, under gunicorn: durable, and nothing more."""

from __future__ import annotations

from contextlib import ExitStack

import psycopg2

from plantkeeper_hil.bench.gateway.apps import insert_table
from plantkeeper_hil.bench.gateway.peers import gunicorn
from plantkeeper_hil.bench.gateway.peers.base import Place, Running
from plantkeeper_hil.stack.postgres import Postgres


class FlaskInsert:
    """Naive storing."""

    name = "flask-insert"
    needs_host = True
    forwards = False

    def missing(self) -> str | None:
        """It needs gunicorn and Flask."""
        return gunicorn.missing("flask", "psycopg2")

    def start(self, place: Place) -> Running:
        """A PostgreSQL of its own with one table, and the application."""
        with ExitStack() as undo:
            postgres = Postgres(place.folder / "pg", log_dir=place.log_dir)
            postgres.start()
            undo.callback(postgres.stop)
            place.watch(postgres.pid)
            dsn = postgres.create_database()
            connection = psycopg2.connect(dsn)
            with connection, connection.cursor() as cursor:
                cursor.execute(insert_table.TABLE)
            connection.close()
            application = "plantkeeper_hil.bench.gateway.apps.insert:create_app()"
            service, port = gunicorn.start(self.name, application, place, environment={"BENCH_DATABASE_DSN": dsn})
            undo.callback(service.end)
            kept = undo.pop_all()
        return Running(self.name, port, {"gunicorn": service.pid, "postgres": postgres.pid}, kept.close)
