"""The gateway's own Flask application alone, under gunicorn: what Flask's dispatch costs where nothing goes past it.

The application is reached as text, by a WSGI file written for the run, since the harness never imports the gateway.
It commits each reading by itself, and no forwarder runs.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack

from plantkeeper_hil.bench.gateway.peers import gunicorn
from plantkeeper_hil.bench.gateway.peers.base import Place, Running
from plantkeeper_hil.bench.gateway.peers.ours import SETTINGS
from plantkeeper_hil.stack.postgres import Postgres
from plantkeeper_hil.stack.service import run_command

WSGI = """\
import os
import time
from plantkeeper_proxy.app import create_app
from plantkeeper_proxy.authenticity import policy
from plantkeeper_proxy.ingest import Door
from plantkeeper_proxy.key_ring import KeyRing
from plantkeeper_proxy.rates import Rates
from plantkeeper_proxy.settings import gateway_settings
from plantkeeper_proxy.store import ReadingStore
from plantkeeper_proxy.vault import Vault
settings = gateway_settings(os.environ)
rates = Rates(
    device_per_minute=settings.rate_device_per_minute, address_per_second=settings.rate_address_per_second
)
ring = KeyRing(Vault.without_keys(), monotonic_s=time.monotonic)
door = Door(rates, policy(settings.signatures, settings.legacy_devices))
app = create_app(ReadingStore(settings.database_dsn, ring), door)
"""
MODULE = "bench_flask_ours"
COMMAND_TIMEOUT_S = 60.0


class FlaskOurs:
    """Our rules and our store through Flask alone."""

    name = "flask-ours"
    needs_host = True
    forwards = False

    def missing(self) -> str | None:
        """It needs gunicorn."""
        return gunicorn.missing()

    def start(self, place: Place) -> Running:
        """PostgreSQL, schema, application.

        Raises:
            StackError: it does not come up, perhaps since the application is made in another way by now.
        """
        with ExitStack() as undo:
            postgres = Postgres(place.folder / "pg", log_dir=place.log_dir)
            postgres.start()
            undo.callback(postgres.stop)
            place.watch(postgres.pid)
            environment = {**SETTINGS, "PLANTKEEPER_DATABASE_DSN": postgres.create_database()}
            run_command(
                "db-migrate",
                [sys.executable, "-m", "plantkeeper_db", "migrate"],
                log_dir=place.log_dir,
                environment=environment,
                timeout_s=COMMAND_TIMEOUT_S,
            )
            (place.folder / f"{MODULE}.py").write_text(WSGI)
            service, port = gunicorn.start(
                self.name,
                f"{MODULE}:app",
                place,
                environment=environment,
                options=("--chdir", str(place.folder)),
            )
            undo.callback(service.end)
            kept = undo.pop_all()
        return Running(self.name, port, {"gunicorn": service.pid, "postgres": postgres.pid}, kept.close)
