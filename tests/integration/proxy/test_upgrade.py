"""An upgrade in two phases under a gateway of before: it serves through `pre`, and says so after `post`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import requests

from plantkeeper_db import schema
from plantkeeper_db.connection import connect

pytestmark = pytest.mark.integration
MIGRATION = """
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None
phase = "{phase}"


def upgrade():
    op.execute("{sql}")
"""


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for revision, before, phase, sql in (
        ("9001", "0004", "pre", "ALTER TABLE device ADD COLUMN place text"),
        ("9002", "9001", "post", "ALTER TABLE device DROP COLUMN created_at"),
    ):
        text = MIGRATION.format(revision=revision, before=before, phase=phase, sql=sql)
        (folder / "versions" / f"{revision}_{phase}.py").write_text(text)
    monkeypatch.setattr(schema, "MIGRATIONS", folder)


def post(gateway: str, sequence: int) -> int:
    body = {"id": 7, "light": sequence}
    headers = {"Idempotency-Key": f'"1-{sequence}"'}
    return requests.post(f"{gateway}/sensor-data", json=body, headers=headers, timeout=20).status_code


@pytest.mark.slow
def test_the_gateway_of_before_serves_through_pre(next_release: None, gateway: str, database_dsn: str) -> None:
    assert post(gateway, 1) == 200
    with connect(database_dsn) as connection:
        assert schema.migrate(connection, phase="pre") == ("9001",)
    assert post(gateway, 2) == 200
    answer = requests.get(f"{gateway}/readyz", timeout=20)
    assert answer.status_code == 200
    assert answer.json()["schema"] == {"wanted": "0004", "found": "9001"}
    with connect(database_dsn) as connection:
        assert [one.revision for one in schema.status(connection).pending] == ["9002"]
        assert schema.migrate(connection, phase="pre") == ()
        assert schema.migrate(connection, phase="post") == ("9002",)
        assert schema.status(connection).up_to_date


@pytest.mark.slow
def test_after_post_the_gateway_of_before_says_so(next_release: None, gateway: str, database_dsn: str) -> None:
    assert post(gateway, 1) == 200
    with connect(database_dsn) as connection:
        assert schema.migrate(connection) == ("9001", "9002")
    answer = requests.get(f"{gateway}/readyz", timeout=20)
    assert answer.status_code == 503
    assert "install the gateway that belongs to it" in answer.json()["reason"]
