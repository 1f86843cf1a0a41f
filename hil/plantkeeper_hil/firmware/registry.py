"""Whether PlatformIO's registry can be used from here, asked once and quickly."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import requests
from platformio import __registry_mirror_hosts__ as mirror_hosts

CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 5.0
AVR, SAM = "atmelavr", "atmelsam"  # PlatformIO's names of the platforms


def core_dir(environment: dict[str, str]) -> Path:
    """PlatformIO's own folder for this user."""
    return Path(environment.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio")


def packages_are_installed(environment: dict[str, str], platform: str = AVR) -> bool:
    """True where an earlier build already brought PlatformIO's platform, so that no network is needed."""
    return (core_dir(environment) / "platforms" / platform / "platform.json").is_file()


def registry_answers(hosts: Iterable[str] = mirror_hosts) -> bool:
    """True as soon as one of the registry's hosts gives any HTTP answer; False after 8 s at most."""
    pool = ThreadPoolExecutor(max_workers=4)
    try:
        waiting = [pool.submit(_answers, f"https://api.{host}/") for host in hosts]
        return any(future.result() for future in as_completed(waiting))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _answers(url: str) -> bool:
    try:
        answer = requests.head(url, timeout=(CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S), allow_redirects=False)
    except requests.RequestException:
        return False
    # a proxy's own refusal is no registry
    return answer.status_code not in {403, 407, 502, 503, 504}


def use_registry(environment: dict[str, str] | None = None, platform: str = AVR) -> bool:
    """Build with PlatformIO's own packages: they are here already, or can be fetched."""
    environment = dict(os.environ) if environment is None else environment
    return packages_are_installed(environment, platform) or registry_answers()
