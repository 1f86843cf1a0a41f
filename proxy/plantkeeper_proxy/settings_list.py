"""What `plantkeeper-proxy settings` prints, and the table in docs/gateway.md: one line a setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plantkeeper_proxy.errors import SettingsError
from plantkeeper_proxy.setting import Setting, Sources
from plantkeeper_proxy.settings import SETTINGS


def listing(environment: Mapping[str, str]) -> tuple[str, bool]:
    """All settings as they were understood, secrets hidden; and whether all that are set make sense.

    Raises:
        SettingsError: the settings file cannot be used.
    """
    sources = Sources(environment, SETTINGS)
    blocks, good = [], True
    for setting in SETTINGS:
        try:
            shown = _shown(setting, sources)
        except SettingsError as error:
            shown, good = f"  # wrong: {error}", False
        facts = " · ".join((", ".join(setting.commands), setting.unit, _default(setting)))
        blocks.append(f"{setting.variable}{shown}\n    {facts}\n    {setting.about.replace('`', '')}.")
    return "\n".join(blocks), good


def _shown(setting: Setting[Any], sources: Sources) -> str:
    found = sources.find(setting)
    if found is None:
        return "  # not set, needed" if setting.required else f"  # not set: {setting.default_text}"
    value = sources.read(setting)
    text = setting.mask(found.text) if setting.secret else f"{value}"
    return f" = {text}" + ("" if found.source == "environment" else f"  # from {found.source}")


def _default(setting: Setting[Any]) -> str:
    return setting.default_text if setting.required else f"default {setting.default_text}"


def markdown_table() -> str:
    """The table of docs/gateway.md."""
    rows = ["| variable | for | unit | default | |", "|---|---|---|---|---|"]
    for setting in SETTINGS:
        secret = " *(secret)*" if setting.secret else ""
        words = (f"`{setting.variable}`", ", ".join(setting.commands), setting.unit, setting.default_text)
        rows.append(f"| {' | '.join(words)} | {setting.about}{secret} |")
    return "\n".join(rows)
