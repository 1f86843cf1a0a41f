"""This project's gateway with its forwarder and PostgreSQL, as processes: HTTP, settings and a connection string."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack

import psycopg2

from plantkeeper_hil.bench.gateway.peers.base import READY_TIMEOUT_S, Place, Running
from plantkeeper_hil.stack import unsigned
from plantkeeper_hil.stack.clients import gateway_is_ready
from plantkeeper_hil.stack.postgres import Postgres
from plantkeeper_hil.stack.service import Service, listening_socket, port_of, run_command

NAME = "gateway"
COMMAND = (sys.executable, "-m", "plantkeeper_proxy")
COMMAND_TIMEOUT_S = 60.0
# What the load needs that a fleet does not: all its boards are at one address. Settings in the environment of the
# benchmark itself reach the gateway too, and win.
SETTINGS: Mapping[str, str] = {**unsigned.ENVIRONMENT, "PLANTKEEPER_RATE_ADDRESS_PER_SECOND": "0"}


class Ours:
    """The gateway.

    Args:
        environment: settings beyond `SETTINGS`.
    """

    name = NAME
    needs_host = False
    forwards = True

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = {**SETTINGS, **(environment or {})}

    def missing(self) -> str | None:
        """It is always there."""
        return None

    def start(self, place: Place) -> Running:
        """PostgreSQL, schema, forwarder, gateway.

        Raises:
            StackError: something did not come up.
        """
        with ExitStack() as undo:
            postgres = Postgres(place.folder / "pg", log_dir=place.log_dir)
            postgres.start()
            undo.callback(postgres.stop)
            place.watch(postgres.pid)
            dsn = postgres.create_database()
            environment = {
                **self._environment,
                "PLANTKEEPER_DATABASE_DSN": dsn,
                "PLANTKEEPER_BACKEND_URL": place.backend.url,
                "PLANTKEEPER_BACKEND_CA": str(place.backend.ca),
            }
            run_command(
                "db-migrate",
                [sys.executable, "-m", "plantkeeper_db", "migrate"],
                log_dir=place.log_dir,
                environment=environment,
                timeout_s=COMMAND_TIMEOUT_S,
            )
            ready_file = place.folder / "forwarder.ready"
            ready_file.unlink(missing_ok=True)
            forwarder = Service.start(
                "forwarder",
                [*COMMAND, "forward", "--ready-file", str(ready_file)],
                log_dir=place.log_dir,
                environment=environment,
            )
            undo.callback(forwarder.end)
            place.watch(forwarder.pid)
            with listening_socket() as listener:
                listener.listen(1024)
                port = port_of(listener)
                gateway = Service.start(
                    "gateway",
                    [*COMMAND, "serve", "--listen-fd", str(listener.fileno())],
                    log_dir=place.log_dir,
                    environment=environment,
                    inherit=(listener,),
                )
            undo.callback(gateway.end)
            place.watch(gateway.pid)
            gateway.wait_ready(lambda: gateway_is_ready(f"http://127.0.0.1:{port}"), timeout_s=READY_TIMEOUT_S)
            forwarder.wait_ready(ready_file.exists, timeout_s=READY_TIMEOUT_S)
            counts = Counts(dsn)
            undo.callback(counts.close)
            kept = undo.pop_all()
        return Running(
            self.name,
            port,
            {"gateway": gateway.pid, "forwarder": forwarder.pid, "postgres": postgres.pid},
            kept.close,
            waiting=counts.waiting,
            stored=counts.stored,
            dsn=dsn,
            observers=(counts.backend_pid,),
        )


class Counts:
    """What the gateway's tables hold (docs/architecture.md section 6)."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg2.connect(dsn)
        self._connection.autocommit = True
        self.backend_pid = int(self._connection.info.backend_pid)

    def stored(self) -> int:
        """Readings that were ever accepted."""
        return self._count("SELECT count(*) FROM reading")

    def waiting(self) -> int:
        """Readings that the backend does not have yet."""
        return self._count("SELECT count(*) FROM outbox")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _count(self, query: str) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
            return int(row[0]) if row else 0
