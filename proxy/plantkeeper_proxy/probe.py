"""`python -m plantkeeper_proxy.probe URL|FILE`: a container's health check. Standard library only, since it runs often.

An `http://` address has to answer 200; a file has to have been touched lately, as the forwarder does at each report.
"""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT_S = 2.0
FRESH_S = 40.0  # the forwarder reports every 15 s
WELL, ILL, WRONG_USE = 0, 1, 2


def ask(url: str, *, timeout_s: float = TIMEOUT_S) -> str | None:
    """Why an address is not well; None where it answers 200. No proxy is asked, no redirect followed."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: {str(error) or type(error).__name__}"
    finally:
        connection.close()
    return None if status == http.client.OK else f"{url}: answers {status}, expected 200"


def look(path: Path, *, now_s: float, fresh_s: float = FRESH_S) -> str | None:
    """Why a file does not show that its process lives; None where it was touched within `fresh_s` before `now_s`."""
    try:
        age_s = now_s - path.stat().st_mtime
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None if age_s <= fresh_s else f"{path}: last touched {age_s:.0f} s ago, expected at most {fresh_s:g} s"


def main(arguments: Sequence[str]) -> int:
    """0 is well, 1 is not, 2 is a wrong use."""
    if len(arguments) != 1:
        print("usage: python -m plantkeeper_proxy.probe http://host:port/path | FILE", file=sys.stderr)
        return WRONG_USE
    (target,) = arguments
    trouble = ask(target) if target.startswith("http://") else look(Path(target), now_s=time.time())
    print(trouble or f"{target}: well")
    return ILL if trouble else WELL


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
