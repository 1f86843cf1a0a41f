"""A PlatformIO package `tool-scons` over the SCons that pip installed.

PlatformIO fetches SCons from its registry; where that cannot be reached, this package stands for it, under the
version that PlatformIO's own dependency table asks for.
"""

from __future__ import annotations

import json
from pathlib import Path

from platformio.dependencies import get_core_dependencies

NAME = "tool-scons"
SCRIPT = "from SCons.Script.Main import main\n\nmain()\n"


def version_asked_for(requirement: str) -> str:
    """The version that satisfies a requirement such as `~4.41101.0`."""
    return requirement.lstrip("~^=>v ")


def write_package(core_dir: Path) -> Path:
    """Put the package into a PlatformIO core folder and return where it is."""
    version = version_asked_for(get_core_dependencies()[NAME])
    spec = {"owner": "platformio", "id": None, "name": NAME, "requirements": None, "uri": None}
    package = core_dir / "packages" / NAME
    package.mkdir(parents=True, exist_ok=True)
    (package / "package.json").write_text(json.dumps({"name": NAME, "version": version}))
    (package / ".piopm").write_text(json.dumps({"type": "tool", "name": NAME, "version": version, "spec": spec}))
    (package / "scons.py").write_text(SCRIPT)
    return package
