"""The gateway under gunicorn: one worker process, several threads."""

from __future__ import annotations

from typing import Any

from gunicorn.app.base import BaseApplication

from plantkeeper_proxy.app import create_app
from plantkeeper_proxy.settings import GatewaySettings
from plantkeeper_proxy.store import ReadingStore

REQUEST_TIMEOUT_S = 30
GRACEFUL_TIMEOUT_S = 10
KEEP_ALIVE_S = 5


class GatewayServer(BaseApplication):
    """gunicorn, configured here and by nothing else.

    Args:
        settings: of the gateway.
        listen_fd: descriptor of a listening socket that was inherited; None: listen on the settings' host and port.
    """

    def __init__(self, settings: GatewaySettings, listen_fd: int | None) -> None:
        self._settings = settings
        self._bind = f"{settings.listen_host}:{settings.listen_port}" if listen_fd is None else f"fd://{listen_fd}"
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn."""
        wanted: dict[str, Any] = {
            "bind": self._bind,
            "workers": 1,
            "worker_class": "gthread",
            "threads": self._settings.threads,
            "timeout": REQUEST_TIMEOUT_S,
            "graceful_timeout": GRACEFUL_TIMEOUT_S,
            "keepalive": KEEP_ALIVE_S,
            "loglevel": "warning",
            "proc_name": "plantkeeper-gateway",
        }
        for name, value in wanted.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called by gunicorn in the worker."""
        return create_app(ReadingStore(self._settings.database_dsn, connections=self._settings.threads))
