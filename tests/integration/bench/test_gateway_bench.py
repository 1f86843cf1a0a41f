"""The benchmark's backend answers as the real one and counts; a short run of all gives figures that can be true."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import sql

from plantkeeper_hil.bench.gateway import backlog
from plantkeeper_hil.bench.gateway.place import Site

pytestmark = [pytest.mark.integration, pytest.mark.slow]
READING = {"id": 7, "temperature": 21.5, "humidity": 40, "light": 900}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "logs", tmp_path / "cache") as made:
        yield made


def test_the_backend_answers_and_counts_what_it_took(site: Site) -> None:
    with site.backend() as backend, requests.Session() as session:
        session.trust_env = False
        session.verify = str(backend.target.ca)
        before = backend.delivered()
        for sensor_id in (7, 7, 8):
            answer = session.patch(f"{backend.target.url}/api/v1/sensors/{sensor_id}", json=READING, timeout=5)
            assert (answer.status_code, answer.json()["id"]) == (200, sensor_id)
        assert session.post(f"{backend.target.url}/sensor-data", json=READING, timeout=5).status_code == 200
        for method, path in (("PUT", "/api/v1/sensors/7"), ("PATCH", "/api/v1/sensors/x"), ("GET", "/sensor-data")):
            assert session.request(method, backend.target.url + path, json=READING, timeout=5).status_code == 404
        assert backend.delivered() - before == 4
        assert backend.delivered() - before == 4  # asking does not count


def test_nobody_takes_it_for_verified_without_its_authority(site: Site) -> None:
    with site.backend() as backend, pytest.raises(requests.exceptions.SSLError):
        requests.patch(f"{backend.target.url}/api/v1/sensors/7", json=READING, timeout=5)


def test_a_slow_backend_takes_its_time_and_keeps_the_connection_in_step(site: Site) -> None:
    with site.backend(delay_s=0.05) as backend, requests.Session() as session:
        session.trust_env = False
        session.verify = str(backend.target.ca)
        for sensor_id in (1, 2, 3):
            begin_s = time.monotonic()
            answer = session.patch(f"{backend.target.url}/api/v1/sensors/{sensor_id}", json=READING, timeout=5)
            assert (answer.status_code, answer.json()["id"]) == (200, sensor_id)
            assert time.monotonic() - begin_s >= 0.05


def test_a_backlog_is_readings_that_wait(database_dsn: str) -> None:
    backlog.fill(database_dsn, 1234, devices=10)
    query = """SELECT count(*), count(DISTINCT device_id) FROM outbox JOIN reading USING (device_id)
        WHERE reading.id = outbox.reading_id"""
    assert sql.execute(database_dsn, query) == [(1234, 10)]


def test_a_short_run(tmp_path: Path) -> None:
    out = tmp_path / "bench" / "gateway.json"
    command = [sys.executable, "-m", "plantkeeper_hil.bench.gateway", "accepted", "--quick", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--duration-s", "1", "--peers", "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = {(row["scenario"], row["name"], row["mode"], row["wire"]): row for row in json.loads(out.read_text())}
    assert len(rows) == 5
    for key, row in rows.items():
        assert row["accepted_per_s"] > 10, key
        assert (row["refused"], row["broken"]) == (0, 0), key
        assert 0 < row["p50_ms"] <= row["p99_ms"], key
        assert row["cpu_s_per_10k"] > 0, key
        assert row["pss_mb"] > 1, key
        assert row["delivered_per_s"] > 0, key
    nginx = rows["accepted", "nginx", "close", "field"]
    assert nginx["ratio_to_nginx"] == 1.0
    assert nginx["delivered_per_s"] == pytest.approx(nginx["accepted_per_s"], rel=0.2)  # it keeps nothing
    assert rows["accepted", "gateway", "close", "field"]["delivered_per_s"] > 10  # while it accepts
    ratios = json.loads((tmp_path / "bench" / "gateway-ratios.json").read_text())
    assert ratios["failures"] == []
    assert {"what", "value", "floor", "goal", "floor_met", "goal_met"} <= set(ratios["targets"][0])
