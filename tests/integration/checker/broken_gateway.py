"""The gateway with a mutation: every n-th reading is answered 200 and thrown away (LOSE_EVERY; 0 loses none).

Takes `serve` and `forward` as plantkeeper-proxy does. The checker must find what it loses.
"""

import os
import sys
from typing import Any

from plantkeeper_proxy import server
from plantkeeper_proxy.__main__ import main
from plantkeeper_proxy.app import create_app
from plantkeeper_proxy.message import Reading
from plantkeeper_proxy.store import ReadingStore, Stored

LOSE_EVERY = int(os.environ["LOSE_EVERY"])


class LossyStore(ReadingStore):
    count = 0

    def store(self, reading: Reading) -> Stored:
        self.count += 1
        if LOSE_EVERY and self.count % LOSE_EVERY == 0:
            return Stored.NEW
        return super().store(reading)


class LossyServer(server.GatewayServer):
    def load(self) -> Any:
        return create_app(LossyStore(self._settings.database_dsn, connections=self._settings.threads))


server.GatewayServer = LossyServer  # type: ignore[misc] # the mutation
sys.exit(main())
