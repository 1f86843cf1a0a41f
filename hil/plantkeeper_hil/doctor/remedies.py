"""The commands that mend what a machine lacks, as that machine takes them. Standard library only."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

PROJECT = "-c constraints.txt -e sim -e proxy -e db -e hil"
VENV = "python3 -m venv .venv && . .venv/bin/activate && "
OS_RELEASE = Path("/etc/os-release")
DOCKERS_SCRIPT = "/tmp/get-docker.sh"  # noqa: S108 - named for a person to type
COMPOSE_V2_SINCE_DEBIAN = 13


def as_root(command: str) -> str:
    """A command that only root may give, as this user can: root has no need of sudo, and often no sudo."""
    if os.geteuid() == 0:
        return command
    return f"sudo {command}" if shutil.which("sudo") else f"su -l -c {shlex.quote(command)}"


def apt_get(packages: Iterable[str]) -> str:
    """Installs Debian packages."""
    return as_root(f"apt-get install --no-install-recommends {' '.join(packages)}")


def pip(words: str) -> str:
    """Installs Python packages: into a virtual environment where Python belongs to the distribution (PEP 668)."""
    return f"{VENV if belongs_to_distribution() else ''}python3 -m pip install {words}"


def belongs_to_distribution() -> bool:
    """Whether pip would refuse: outside of any virtual environment, and the distribution says so."""
    return sys.prefix == sys.base_prefix and Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").is_file()


def docker(release: Mapping[str, str]) -> str:
    """Installs Docker with Compose v2.

    Args:
        release: what os-release(5) says of this system.
    """
    if release.get("ID") == "ubuntu":
        return as_root("apt-get install docker.io docker-compose-v2")
    major = release.get("VERSION_ID", "").partition(".")[0]
    if release.get("ID") == "debian" and not (major.isdigit() and int(major) < COMPOSE_V2_SINCE_DEBIAN):
        return as_root("apt-get install docker.io docker-compose")
    fetch = "" if shutil.which("curl") else f"{apt_get(['curl', 'ca-certificates'])} && "
    run = as_root(f"sh {DOCKERS_SCRIPT}")
    return (
        f"{fetch}curl -fsSL https://get.docker.com -o {DOCKERS_SCRIPT} && {run}, since Compose v2 is not among this "
        "system's packages (docs.docker.com/engine/install)"
    )


def os_release(path: Path = OS_RELEASE) -> dict[str, str]:
    """What the system says it is (os-release(5)); nothing where it does not."""
    if not path.is_file():
        return {}
    pairs = (line.partition("=") for line in path.read_text(errors="replace").splitlines())
    return {name: value.strip("\"'") for name, equals, value in pairs if equals}
