"""The status page in headless Chromium: rows are there, its styles apply under its own policy, a phone shows all of it.

Chromium is asked over its command line alone. A page of the test's own shows the gateway's bytes in a frame as wide as
a phone and writes down what it measured, since the status page itself may run no script.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

pytestmark = [pytest.mark.integration, pytest.mark.slow]
TOKEN = "0123456789-abcdef"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--disable-dev-shm-usage",
]  # fmt: skip
MEASURE = """<!doctype html><body style="margin:0">
<iframe id="f" width="{width}" height="800" style="border:0" src="/page"></iframe><script>
addEventListener("load", () => {{
  const page = document.getElementById("f").contentDocument, root = page.documentElement;
  const end = root.clientWidth + 0.5;
  const wide = [...page.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > end);
  document.body.dataset.found = JSON.stringify({{
    width: root.clientWidth, scroll: root.scrollWidth, wide: wide.map(e => e.outerHTML.slice(0, 80)),
    rows: [...page.querySelectorAll("#devices tbody tr")].map(e => e.cells[0].innerText.trim()),
    lines: page.querySelectorAll("#devices svg polyline").length,
    heads: getComputedStyle(page.querySelector("#devices thead")).position,
    font: parseFloat(getComputedStyle(page.querySelector("#devices td")).fontSize),
    background: getComputedStyle(page.body).backgroundColor, alarms: page.querySelector(".alarms").innerText,
    scripts: page.scripts.length,
  }});
}});
</script>"""


@pytest.fixture
def page(start_gateway: Callable[..., str], database_dsn: str, execute: Callable[[str], object]) -> requests.Response:
    execute(
        "INSERT INTO reading (device_id, temperature, humidity, light, measured_at, received_at) "
        "SELECT device, 20 + 5 * sin(at / 40.0 + device), 40 + 20 * sin(at / 90.0 + device), 900, "
        "now() - (288 - at) * interval '300 s', now() - (288 - at) * interval '300 s' "
        "FROM generate_series(1, 288) AS at, generate_series(1, 7) AS device"
    )
    execute("INSERT INTO device (id) VALUES (2147483647)")
    error = "<img src=x onerror=document.title=1>" + "W" * 300
    execute(f"INSERT INTO dead_letter VALUES (1, 2, 'k', 1, 2, 3, now(), now(), 1, '{error}')")
    alarms = json.dumps({"backend": "x" * 400, "certificate": "y" * 400})
    execute(f"INSERT INTO forwarder (name, counters, alarms) VALUES ('{'f' * 120}', '{{}}', '{alarms}')")
    gateway = start_gateway(database_dsn, PLANTKEEPER_STATUS_TOKEN=TOKEN)
    answer = requests.get(f"{gateway}/", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
    assert answer.status_code == 200
    return answer


@pytest.fixture
def shown(page: requests.Response) -> Iterator[str]:
    """Serves the page, with its own policy but for the ban on frames, and pages that measure it."""
    policy = page.headers["Content-Security-Policy"].replace("; frame-ancestors 'none'", "")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            width = re.fullmatch(r"/measure/(\d+)", self.path)
            body = MEASURE.format(width=width[1]).encode() if width else page.content
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            if not width:
                self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def chromium(folder: Path, *words: str) -> str:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "Chromium is missing: apt-get install chromium"
    command = [program, *FLAGS, f"--user-data-dir={folder / 'profile'}", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(("width", "heads"), [(360, "absolute"), (1280, "static")])
def test_it_fits_its_window(width: int, heads: str, shown: str, tmp_path: Path) -> None:
    dom = chromium(tmp_path, "--dump-dom", f"{shown}/measure/{width}")
    found = re.search(r'data-found="([^"]*)"', dom)
    assert found, dom[-2000:]
    measured = json.loads(html.unescape(found[1]))
    assert (measured["width"], measured["scroll"], measured["wide"]) == (width, width, [])
    assert measured["rows"] == [*map(str, range(1, 8)), "2147483647"]
    assert measured["lines"] >= 7
    assert measured["heads"] == heads  # the style sheet applies, for this width
    assert measured["font"] >= 14
    assert "certificate is refused" in measured["alarms"]
    assert measured["scripts"] == 0


def test_it_is_dark_where_the_phone_is(shown: str, tmp_path: Path) -> None:
    colours = []
    for scheme in ("0", "1"):  # blink::mojom::PreferredColorScheme: dark, light
        dom = chromium(
            tmp_path, f"--blink-settings=preferredColorScheme={scheme}", "--dump-dom", f"{shown}/measure/360"
        )
        found = re.search(r"&quot;background&quot;:&quot;rgb\((\d+)", dom)
        assert found, dom[-2000:]
        colours.append(int(found[1]))
    assert colours[0] < 64
    assert colours[1] > 192


def test_a_screenshot_can_be_taken(shown: str, tmp_path: Path) -> None:
    picture = tmp_path / "status.png"
    chromium(tmp_path, "--window-size=360,800", f"--screenshot={picture}", f"{shown}/page")
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(data[16:20], "big") == 360
