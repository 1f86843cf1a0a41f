"""Settings: where values come from, what is said of wrong ones, and that the documentation lists them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantkeeper_proxy.__main__ import main
from plantkeeper_proxy.device_ranges import DeviceRanges
from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.redact import hide_password, passwords_of
from plantkeeper_proxy.setting import unknown_variables
from plantkeeper_proxy.settings import SETTINGS, forwarder_settings, gateway_settings, log_settings
from plantkeeper_proxy.settings_list import listing, markdown_table

DSN = {"PLANTKEEPER_DATABASE_DSN": "postgresql://u:hush%20hush@h/d"}
KEY = "A" * 43 + "="


def test_defaults_of_the_gateway() -> None:
    settings = gateway_settings(DSN)
    assert (settings.signatures, settings.legacy_devices, settings.master_key) == ("required", DeviceRanges(), None)
    assert (settings.status_token, settings.backlog_alarm_s, settings.forwarder_silent_s) == (None, 900, 60)
    assert (settings.rate_device_per_minute, settings.rate_address_per_second) == (60, 0)


def test_legacy_devices_are_kept_as_ranges() -> None:
    settings = gateway_settings(
        {**DSN, "PLANTKEEPER_SIGNATURES": "legacy", "PLANTKEEPER_LEGACY_DEVICES": "7,1-2000000000"}
    )
    assert settings.signatures == "legacy"
    assert str(settings.legacy_devices) == "1-2000000000"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SIGNATURES", "none", "required or legacy"),
        ("LEGACY_DEVICES", "1-", "neither an id nor a range"),
        ("MASTER_KEY", "hush-hush-hush", "32 bytes in base64"),
        ("MASTER_KEY", f"{KEY},hush", "32 bytes in base64"),
        ("STATUS_TOKEN", "hush", "at least 16 visible"),
        ("BACKLOG_ALARM_S", "0", "1…31536000"),
        ("FORWARDER_SILENT_S", "5", "16…86400"),
        ("RATE_DEVICE_PER_MINUTE", "-1", "0 being no limit"),
    ],
)
def test_what_makes_no_sense_is_named_and_no_secret_is_shown(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        gateway_settings({**DSN, f"PLANTKEEPER_{name}": value})
    assert f"PLANTKEEPER_{name}" in str(error.value)
    assert said in str(error.value)
    assert "hush" not in str(error.value)
    assert error.value.__cause__ is None or "hush" not in str(error.value.__cause__)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_may_come_from_a_file_of_its_own(setting: object, tmp_path: Path) -> None:
    values = {
        "MASTER_KEY": f"{KEY},{KEY}",
        "STATUS_TOKEN": "0123456789abcdef",
        "BACKEND_URL": "https://b",
        "DATABASE_DSN": "postgresql://h/d",
        "BACKEND_CA": str(tmp_path / "f"),
        "BACKEND_CLIENT_CERT": str(tmp_path / "f"),
        "SIGNATURES": "legacy",
        "TRUSTED_PROXIES": "10.0.0.0/8",
        "DEVICE_SILENT_S": "600",
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": "text",
    }
    name = setting.name  # type: ignore[attr-defined] # pytest passes what parametrize was given
    (tmp_path / "f").write_text(f"{values.get(name, '25')}\n")
    text, good = listing({f"PLANTKEEPER_{name}_FILE": str(tmp_path / "f")})
    assert good, text
    [line] = [line for line in text.splitlines() if line.startswith(f"PLANTKEEPER_{name} =")]
    assert f"# from PLANTKEEPER_{name}_FILE" in line
    assert ("(hidden)" in line) == (name in {"MASTER_KEY", "STATUS_TOKEN", "BACKEND_TOKEN"})


def test_a_value_and_its_file_together_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="both set"):
        gateway_settings({**DSN, "PLANTKEEPER_DATABASE_DSN_FILE": str(tmp_path)})


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), (b"", "is empty"), (b"\xff", "not UTF-8")])
def test_a_value_file_that_cannot_be_used_is_named(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as error:
        gateway_settings({"PLANTKEEPER_DATABASE_DSN_FILE": str(path)})
    assert "PLANTKEEPER_DATABASE_DSN_FILE" in str(error.value)
    assert said in str(error.value)


def test_the_settings_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(
        'database_dsn = "postgresql://h/file"\nlisten_port = 81\nlegacy_devices = ["1-3", 7]\nbackend_timeout_s = 2.5\n'
        'backend_url = "https://b"\n'
    )
    environment = {"PLANTKEEPER_SETTINGS_FILE": str(path), "PLANTKEEPER_LISTEN_PORT": "82"}
    settings = gateway_settings(environment)
    assert (settings.database_dsn, settings.listen_port) == ("postgresql://h/file", 82)
    assert str(settings.legacy_devices) == "1-3,7"
    assert forwarder_settings(environment).backend_timeout_s == 2.5
    assert f"# from PLANTKEEPER_SETTINGS_FILE {path}" in listing(environment)[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("listen_prot = 1", "'listen_prot' is no setting; did you mean listen_port"),
        ("zzz = 1", "'zzz' is no setting; `plantkeeper-proxy settings` lists all"),
        ("[backend]\nurl = 1", "'backend' is no setting"),
        ("listen_port = true", "listen_port is a bool; expected text or a number"),
        ("listen_port = {a = 1}", "listen_port is a dict"),
        ("listen_port = ", "not TOML"),
        ("listen_port = 70000", "PLANTKEEPER_LISTEN_PORT is '70000' (from PLANTKEEPER_SETTINGS_FILE"),
    ],
)
def test_a_settings_file_that_makes_no_sense_is_named(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(content)
    with pytest.raises(SettingsError) as error:
        gateway_settings({**DSN, "PLANTKEEPER_SETTINGS_FILE": str(path)})
    assert said in str(error.value)


def test_a_variable_that_is_no_setting_is_warned_of() -> None:
    environment = {**DSN, "PLANTKEEPER_STATUS_TOKN": "x", "OTHER": "y", "PLANTKEEPER_MASTER_KEY_FILE": "z"}
    [sentence] = unknown_variables(environment, SETTINGS)
    assert sentence.startswith("PLANTKEEPER_STATUS_TOKN is set, and no setting has this name; did you mean ")
    assert "PLANTKEEPER_STATUS_TOKEN" in sentence


def test_the_command_lists_all_and_fails_where_one_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    token = "hush-hush-hush-hush"
    assert main(["settings"], {**DSN, "PLANTKEEPER_STATUS_TOKEN": token, "PLANTKEEPER_X": "1"}) == 0
    said = capsys.readouterr()
    assert "hush" not in said.out + said.err
    assert all(f"{setting.variable} " in said.out for setting in SETTINGS)
    assert "PLANTKEEPER_STATUS_TOKEN = (hidden)" in said.out
    assert "PLANTKEEPER_DATABASE_DSN = user=u password=(hidden) dbname=d host=h" in said.out
    assert "PLANTKEEPER_X is set" in said.err
    assert main(["settings"], {"PLANTKEEPER_LISTEN_PORT": "x"}) == 2
    assert "PLANTKEEPER_LISTEN_PORT is 'x': expected 0…65535" in capsys.readouterr().out


def test_every_secret_is_known_to_the_log() -> None:
    environment = {
        "PLANTKEEPER_DATABASE_DSN": "host=h password='se cret' sslpassword=other",
        "PLANTKEEPER_MASTER_KEY": f"{KEY}, {'B' * 43}=",
        "PLANTKEEPER_STATUS_TOKEN": "0123456789abcdef",
        "PLANTKEEPER_BACKEND_TOKEN": "bearer",
    }
    secrets = set(log_settings(environment).secrets)
    assert {"se cret", "other", KEY, "B" * 43 + "=", "0123456789abcdef", "bearer"} <= secrets
    assert not any(secret in repr(gateway_settings(environment)) for secret in secrets)


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://u:s%40crt@h:5/d?sslpassword=s%40crt", "(hidden)"),
        ("host=h password='s@crt' user=u", "host=h"),
        ("this is no string", "(not a connection string)"),
    ],
)
def test_passwords_are_hidden(dsn: str, shown: str) -> None:
    assert shown in hide_password(dsn)
    assert "crt" not in hide_password(dsn)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_password_is_found_and_hidden(password: str) -> None:
    quoted = password.replace("\\", "\\\\").replace("'", "\\'")
    dsn = f"host=h password='{quoted}'"
    assert passwords_of(dsn) == (password,)
    assert sorted(hide_password(dsn).split(" ")) == ["host=h", "password=(hidden)"]


def test_the_documentation_has_the_same_table(pytestconfig: pytest.Config) -> None:
    assert markdown_table() in (pytestconfig.rootpath / "docs" / "gateway.md").read_text()
