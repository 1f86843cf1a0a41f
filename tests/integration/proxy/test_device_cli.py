"""`plantkeeper-proxy device …` as an operator calls it, on a real PostgreSQL."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]
MASTER, NEXT_MASTER = base64.b64encode(bytes(range(32))).decode(), base64.b64encode(bytes(range(32, 64))).decode()
Execute = Callable[[str], list[tuple[object, ...]]]
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def device(database_dsn: str) -> Callable[..., Done]:
    """Runs a command; a setting may be changed, or left out with None."""

    def run(*words: str, **changes: str | None) -> Done:
        settings = {"PLANTKEEPER_DATABASE_DSN": database_dsn, "PLANTKEEPER_MASTER_KEY": MASTER, **changes}
        return subprocess.run(
            [sys.executable, "-m", "plantkeeper_proxy", "device", *words],
            env={name: value for name, value in settings.items() if value is not None},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def issued(done: Done) -> tuple[str, str]:
    assert done.returncode == 0, done.stderr
    match = re.fullmatch(r"([0-9]+\.[0-9]+) ([0-9a-f]{64})\n", done.stdout)
    assert match is not None, done.stdout
    assert match[2] not in done.stderr
    return match[1], match[2]


def states(device: Callable[..., Done]) -> dict[str, str]:
    done = device("list", "--json")
    assert done.returncode == 0, done.stderr
    return {key["keyid"]: key["state"] for key in json.loads(done.stdout)}


def error(done: Done, status: int = 2) -> str:
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_life_of_a_devices_keys(device: Callable[..., Done], execute: Execute) -> None:
    first_id, first = issued(device("add", "7"))
    assert first_id == "7.1"
    [(sealed,)] = execute("SELECT secret FROM device_key")
    assert isinstance(sealed, memoryview)
    assert len(sealed) == 60
    assert bytes.fromhex(first) not in bytes(sealed)
    assert "device 7 has a key already (7.1); rotate it or revoke it first" in error(device("add", "7"))

    rotated = device("rotate", "7", "--grace", "1h")
    second_id, second = issued(rotated)
    assert second_id == "7.2"
    assert second != first
    assert re.search(r"^key 7\.1 is valid until 20..-..-..T..:..:..Z$", rotated.stderr, re.MULTILINE)
    assert states(device) == {"7.1": "grace", "7.2": "active"}
    assert "(7.1, 7.2)" in error(device("add", "7"))

    assert issued(device("rotate", "7", "--grace", "0s"))[0] == "7.3"
    assert states(device) == {"7.1": "expired", "7.2": "expired", "7.3": "active"}

    revoked = device("revoke", "7", "--key", "3")
    assert (revoked.returncode, revoked.stdout) == (0, "key 7.3 is revoked\n")
    again = device("revoke", "7", "--key", "3")
    assert (again.returncode, again.stdout) == (0, "key 7.3 not in force; nothing to revoke\n")
    assert "device 7 has no usable key to rotate; add one" in error(device("rotate", "7"))
    # numbers never come back
    assert issued(device("add", "7"))[0] == "7.4"
    assert issued(device("add", "8"))[0] == "8.1"
    assert states(device) == {"7.1": "expired", "7.2": "expired", "7.3": "revoked", "7.4": "active", "8.1": "active"}


def test_a_grace_period_is_seven_days_and_never_prolonged(device: Callable[..., Done], execute: Execute) -> None:
    lives = (
        "SELECT number, round(extract(epoch FROM valid_until - now()) / 3600) FROM device_key"
        " WHERE valid_until IS NOT NULL ORDER BY number"
    )
    issued(device("add", "7"))
    issued(device("rotate", "7", "--grace", "2h"))
    issued(device("rotate", "7"))
    assert [(number, int(str(hours))) for number, hours in execute(lives)] == [(1, 2), (2, 168)]


def test_revoke_without_a_number_ends_all(device: Callable[..., Done]) -> None:
    issued(device("add", "7"))
    issued(device("rotate", "7"))
    issued(device("add", "8"))
    assert device("revoke", "7").stdout == "key 7.1 is revoked\nkey 7.2 is revoked\n"
    assert device("revoke", "7").stdout == "no key in force; nothing to revoke\n"
    assert states(device) == {"7.1": "revoked", "7.2": "revoked", "8.1": "active"}
    assert "device 9 has no key" in error(device("revoke", "9"))
    assert "device 7 has no key 3; it has 1, 2" in error(device("revoke", "7", "--key", "3"))


def test_the_list_shows_states_and_never_a_secret(device: Callable[..., Done], execute: Execute) -> None:
    assert device("list").stdout == "KEY  STATE  CREATED  FIRST USED  DEVICE AT\n"
    assert json.loads(device("list", "--json").stdout) == []
    secrets = [issued(device("add", "7"))[1], issued(device("rotate", "7"))[1]]
    execute("UPDATE device_key SET first_used_at = '2026-11-24 12:00+01' WHERE number = 1")
    execute("INSERT INTO device_sequence VALUES (7, 3, 42)")
    table, fields = device("list"), device("list", "--json")
    lines = table.stdout.splitlines()
    assert re.fullmatch(r"7\.1  grace until \S+Z  \S+Z  2026-11-24T11:00:00Z  3-42", lines[1])
    assert re.fullmatch(r"7\.2  active +\S+Z  never +3-42", lines[2])
    first, second = json.loads(fields.stdout)
    assert first["first_used_at"] == "2026-11-24T11:00:00Z"
    assert (first["device"], first["number"], first["device_at"]) == (7, 1, "3-42")
    assert (second["first_used_at"], second["valid_until"], second["revoked_at"]) == (None, None, None)
    for secret in secrets:
        for said in (table.stdout, table.stderr, fields.stdout, fields.stderr):
            assert secret not in said
            assert base64.b64encode(bytes.fromhex(secret)).decode() not in said
    # no secret, no master key needed
    assert device("list", PLANTKEEPER_MASTER_KEY=None).stdout == table.stdout


def test_two_commands_at_once_give_one_key(device: Callable[..., Done]) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: device("add", "7"), range(4)))
    assert sorted(one.returncode for one in done) == [0, 2, 2, 2]
    assert states(device) == {"7.1": "active"}
    assert all("Traceback" not in one.stderr for one in done)


def test_a_new_master_key_takes_over(device: Callable[..., Done], execute: Execute, tmp_path: Path) -> None:
    issued(device("add", "7"))
    issued(device("add", "8"))
    both = tmp_path / "master.key"
    both.write_text(f"{NEXT_MASTER}\n{MASTER}\n")
    from_file = {"PLANTKEEPER_MASTER_KEY": None, "PLANTKEEPER_MASTER_KEY_FILE": str(both)}
    issued(device("add", "9", **from_file))
    before = execute("SELECT device_id, secret::text FROM device_key ORDER BY 1")
    assert "key 7.1 does not open with any of the 1 master keys" in error(
        device("reseal", PLANTKEEPER_MASTER_KEY=NEXT_MASTER)
    )
    assert execute("SELECT device_id, secret::text FROM device_key ORDER BY 1") == before
    done = device("reseal", **from_file)
    assert done.stdout == "encrypted 2 of 3 usable keys anew; the first master key now opens them all\n"
    alone = device("reseal", PLANTKEEPER_MASTER_KEY=NEXT_MASTER)
    assert alone.stdout == "encrypted 0 of 3 usable keys anew; the first master key now opens them all\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "0"], "'0' is no device id; expected a whole number, 1…2147483647"),
        (["add", "2147483648"], "is no device id"),
        (["add", "7.0"], "is no device id"),
        (["add", "٣"], "is no device id"),
        (["revoke", "7", "--key", "x"], "'x' is no key number"),
        (["rotate", "7", "--grace", "7"], "'7' is not accepted; expected such as 90s, 30m, 12h or 7d, up to 366d"),
        (["rotate", "7", "--grace", "-1d"], "expected"),
        (["rotate", "7", "--grace", "367d"], "up to 366d"),
        ([], "the following arguments are required"),
    ],
)
def test_a_word_that_makes_no_sense_is_named(device: Callable[..., Done], words: list[str], said: str) -> None:
    assert said in error(device(*words))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"PLANTKEEPER_DATABASE_DSN": None}, "PLANTKEEPER_DATABASE_DSN is not set"),
        ({"PLANTKEEPER_DATABASE_DSN": "postgresql://nobody@127.0.0.1:1/none"}, "cannot connect to PostgreSQL"),
        ({"PLANTKEEPER_MASTER_KEY": None}, "neither PLANTKEEPER_MASTER_KEY nor PLANTKEEPER_MASTER_KEY_FILE is set"),
        ({"PLANTKEEPER_MASTER_KEY": "short"}, "PLANTKEEPER_MASTER_KEY: key 1"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(
    device: Callable[..., Done], changes: dict[str, str | None], said: str
) -> None:
    assert said in error(device("add", "7", **changes))


def test_before_migrate_it_says_what_to_do(device: Callable[..., Done], empty_dsn: str) -> None:
    assert "run plantkeeper-db migrate first" in error(device("list", PLANTKEEPER_DATABASE_DSN=empty_dsn))
