"""One setting: its name, unit, default and meaning; where its value comes from; how its text is read.

A value comes, in this order, from the variable `PLANTKEEPER_NAME`, from the file that `PLANTKEEPER_NAME_FILE` names (as
Compose hands out secrets), or from the TOML file that `PLANTKEEPER_SETTINGS_FILE` names, under the name in lower case.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import math
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from plantkeeper_proxy.errors import SettingsError

PREFIX = "PLANTKEEPER_"
FILE_SUFFIX = "_FILE"
SETTINGS_FILE = "PLANTKEEPER_SETTINGS_FILE"
MASTER_KEY_BYTES = 32
T = TypeVar("T")


@dataclass(frozen=True)
class Setting(Generic[T]):
    """A setting.

    Args:
        name: in upper case, without the prefix.
        commands: that it is for.
        unit: of its value, or its kind.
        convert: reads its text; raises ValueError where the text makes no sense.
        expected: what makes sense, for messages.
        about: its meaning, in a line.
        default: where it is not set; not used where it is required.
        required: whether the commands do without.
        secret: whether its value must never be shown, or only as `mask` gives it.
        mask: a secret's text as it may be shown.
    """

    name: str
    commands: tuple[str, ...]
    unit: str
    convert: Callable[[str], T]
    expected: str
    about: str
    default: T
    required: bool = False
    secret: bool = False
    mask: Callable[[str], str] = lambda _text: "(hidden)"

    @property
    def variable(self) -> str:
        """The variable of the environment."""
        return PREFIX + self.name

    @property
    def default_text(self) -> str:
        """The default, as documentation names it."""
        if self.required:
            return "required"
        return "none" if self.default is None or str(self.default) == "" else f"{self.default}"


@dataclass(frozen=True)
class Found:
    """A setting's text, and where it was found."""

    text: str
    source: str


class Sources:
    """Where values come from.

    Args:
        environment: variables.
        settings: all that there are, to tell unknown names.

    Raises:
        SettingsError: the settings file cannot be read, or holds what is no setting.
    """

    def __init__(self, environment: Mapping[str, str], settings: Collection[Setting[Any]]) -> None:
        self._environment = environment
        path = environment.get(SETTINGS_FILE, "").strip()
        self._path = path
        self._from_file = _read_settings_file(path, settings) if path else {}

    def find(self, setting: Setting[Any]) -> Found | None:
        """The text of a setting; None where it is not set, an empty variable being the same.

        Raises:
            SettingsError: it is set twice, or its file cannot be read.
        """
        text = self._environment.get(setting.variable, "").strip()
        file_variable = setting.variable + FILE_SUFFIX
        path = self._environment.get(file_variable, "").strip()
        if text and path:
            raise SettingsError(f"{setting.variable} and {file_variable} are both set; expected one of them")
        if text:
            return Found(text, "environment")
        if path:
            return Found(_read_value_file(file_variable, path), f"{file_variable} {path}")
        if setting.name.lower() in self._from_file:
            return Found(self._from_file[setting.name.lower()], f"{SETTINGS_FILE} {self._path}")
        return None

    def read(self, setting: Setting[T]) -> T:
        """The value of a setting.

        Raises:
            SettingsError: names the variable, its value (unless it is secret) and what is expected.
        """
        found = self.find(setting)
        if found is None:
            if setting.required:
                raise SettingsError(f"{setting.variable} is not set; expected {setting.expected}")
            return setting.default
        try:
            return setting.convert(found.text)
        except ValueError as error:
            shown = setting.mask(found.text) if setting.secret else repr(found.text)
            place = "" if found.source == "environment" else f" (from {found.source})"
            said = f"{setting.variable} is {shown}{place}: expected {setting.expected}"
            if setting.secret:
                raise SettingsError(said) from None  # the cause may quote it
            raise SettingsError(said) from error


def effective(environment: Mapping[str, str], settings: Collection[Setting[Any]]) -> dict[str, str]:
    """Every setting that is set, by its variable, wherever it was found: for what reads variables by itself.

    Raises:
        SettingsError: a source cannot be used.
    """
    sources = Sources(environment, settings)
    found = {setting.variable: sources.find(setting) for setting in settings}
    return {variable: one.text for variable, one in found.items() if one is not None}


def unknown_variables(environment: Mapping[str, str], settings: Collection[Setting[Any]]) -> list[str]:
    """A sentence for each variable that looks like a setting and is none."""
    known = {setting.variable for setting in settings} | {setting.variable + FILE_SUFFIX for setting in settings}
    known.add(SETTINGS_FILE)
    return [
        f"{name} is set, and no setting has this name{_near(name, known)}"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in known
    ]


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=2, cutoff=0.75)
    return f"; did you mean {' or '.join(near)}?" if near else "; `plantkeeper-proxy settings` lists all"


def _read_value_file(variable: str, path: str) -> str:
    try:
        text = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{variable} is {path!r}, which cannot be read: {reason}") from None
    if not text:
        raise SettingsError(f"{variable} is {path!r}, which is empty; expected the value in it")
    return text


def _read_settings_file(path: str, settings: Collection[Setting[Any]]) -> dict[str, str]:
    try:
        found = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{SETTINGS_FILE} is {path!r}, which cannot be read: {reason}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{SETTINGS_FILE} is {path!r}, which is not TOML: {error}") from None
    known = {setting.name.lower() for setting in settings}
    for name in found:
        if name not in known:
            raise SettingsError(f"{SETTINGS_FILE} {path!r}: {name!r} is no setting{_near(name, known)}")
    return {name: _text_of(name, value, path) for name, value in found.items()}


def _text_of(name: str, value: object, path: str) -> str:
    """A TOML value as the environment would have it; a list becomes a list with commas."""
    if isinstance(value, list):
        return ",".join(_text_of(name, part, path) for part in value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise SettingsError(f"{SETTINGS_FILE} {path!r}: {name} is a {type(value).__name__}; expected text or a number")
    return str(value).strip()


# ---- how texts are read ----------------------------------------------------------------------------------------


def text_of(text: str) -> str:
    """Any text."""
    return text


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number within bounds."""

    def convert(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return convert


def seconds(text: str) -> float:
    """More than 0 s, at most 300."""
    value = float(text)
    if not (math.isfinite(value) and 0 < value <= 300):
        raise ValueError(text)
    return value


def one_of(*words: str) -> Callable[[str], str]:
    """One of some words, in any case."""

    def convert(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(text)
        return text.lower()

    return convert


def https_url(text: str) -> str:
    """An HTTPS address without user, query or fragment."""
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(text)
    _ = parts.port  # raises ValueError where it is no port
    return text.rstrip("/")


def existing_file(text: str) -> Path:
    """The path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise ValueError(text)
    return path


def visible_ascii(at_least: int) -> Callable[[str], str]:
    """Visible ASCII characters, so many at least."""

    def convert(text: str) -> str:
        if len(text) < at_least or not all("!" <= character <= "~" for character in text):
            raise ValueError
        return text

    return convert


def master_keys(text: str) -> str:
    """Keys of 32 bytes each in base64, separated by commas or white space; kept as text."""
    keys = [part for part in re.split(r"[,\s]+", text) if part]
    try:
        if not keys or any(len(base64.b64decode(key, validate=True)) != MASTER_KEY_BYTES for key in keys):
            raise ValueError
    except binascii.Error:
        raise ValueError from None
    return text
