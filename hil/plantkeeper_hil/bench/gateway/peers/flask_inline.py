"""Flask that forwards inline with requests, under gunicorn: a board waits for the backend and sees its failures."""

from __future__ import annotations

from plantkeeper_hil.bench.gateway.peers import gunicorn
from plantkeeper_hil.bench.gateway.peers.base import Place, Running, stopper


class FlaskInline:
    """Naive forwarding."""

    name = "flask-inline"
    needs_host = True
    forwards = True

    def missing(self) -> str | None:
        """It needs gunicorn and Flask."""
        return gunicorn.missing("flask", "requests")

    def start(self, place: Place) -> Running:
        """Start it."""
        environment = {"BENCH_BACKEND_URL": place.backend.url, "BENCH_BACKEND_CA": str(place.backend.ca)}
        application = "plantkeeper_hil.bench.gateway.apps.inline:create_app()"
        service, port = gunicorn.start(self.name, application, place, environment=environment)
        return Running(self.name, port, {"gunicorn": service.pid}, stopper(service))
