"""Node-RED as makers use it: http in → http request → http response, over verified TLS.

Installed by npm, without its scripts, into the benchmark's cache at a locked version; left out where npm is absent.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path

from plantkeeper_hil.bench.gateway.errors import PeerError
from plantkeeper_hil.bench.gateway.peers.base import READY_TIMEOUT_S, Place, Running, stopper
from plantkeeper_hil.bench.gateway.ready import answers
from plantkeeper_hil.stack.service import Service, port_of

VERSION = "4.1.8"  # the newest that runs on the Node.js of Debian 12
INSTALL_TIMEOUT_S = 300.0
SETTINGS = """\
module.exports = {
    uiHost: "127.0.0.1", httpAdminRoot: false, flowFile: "flows.json", credentialSecret: false,
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: { tours: false }, logging: { console: { level: "warn", metrics: false, audit: false } }
};
"""
FUNCTION = """\
msg.url = env.get("BENCH_BACKEND_URL") + "/api/v1/sensors/" + msg.payload.id;
msg.headers = {"content-type": "application/json"};
return msg;
"""


def flows() -> str:
    """The flow as Node-RED keeps it."""
    nodes = [
        {"id": "tab", "type": "tab", "label": "boards"},
        {"id": "in", "type": "http in", "z": "tab", "url": "/sensor-data", "method": "post", "wires": [["address"]]},
        {"id": "address", "type": "function", "z": "tab", "func": FUNCTION, "outputs": 1, "wires": [["request"]]},
        {
            "id": "request",
            "type": "http request",
            "z": "tab",
            "method": "PATCH",
            "ret": "obj",
            "paytoqs": "ignore",
            "url": "",
            "tls": "",
            "persist": True,
            "insecureHTTPParser": False,
            "wires": [["out"]],
        },
        {"id": "out", "type": "http response", "z": "tab", "wires": []},
    ]
    return json.dumps(nodes)


class NodeRed:
    """A flow on Node.js."""

    name = "node-red"
    needs_host = True
    forwards = True

    def missing(self) -> str | None:
        """It needs Node.js and npm."""
        absent = [name for name in ("node", "npm") if shutil.which(name) is None]
        return f"{' and '.join(absent)} not installed (Debian: npm)" if absent else None

    def start(self, place: Place) -> Running:
        """Install it, unless it is there, and start it.

        Raises:
            PeerError: npm fails.
            StackError: it does not come up.
        """
        script = _installed(place.cache / f"node-red-{VERSION}")
        (place.folder / "settings.js").write_text(SETTINGS)
        (place.folder / "flows.json").write_text(flows())
        port = _free_port()
        service = Service.start(
            self.name,
            [
                *("node", str(script), "--userDir", str(place.folder), "--settings", str(place.folder / "settings.js")),
                *("--port", str(port)),
            ],
            log_dir=place.log_dir,
            environment={"BENCH_BACKEND_URL": place.backend.url, "NODE_EXTRA_CA_CERTS": str(place.backend.ca)},
        )
        place.watch(service.pid)
        service.wait_ready(lambda: answers(port), timeout_s=READY_TIMEOUT_S)
        return Running(self.name, port, {"node": service.pid}, stopper(service))


def _installed(folder: Path) -> Path:
    script = folder / "node_modules" / "node-red" / "red.js"
    if not script.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", f"node-red@{VERSION}"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
        if done.returncode != 0 or not script.is_file():
            raise PeerError(f"{' '.join(command)} failed with status {done.returncode}:\n{done.stderr[-2000:]}")
    return script


def _free_port() -> int:
    """A port that nobody uses now: Node-RED cannot inherit a socket. Where somebody takes it in between, it says so."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return port_of(probe)
