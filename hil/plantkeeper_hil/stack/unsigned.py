"""What the gateway is told where its boards do not sign and are quicker than boards are: the simulator's, a load's.

Any board may post then, whatever its id; tests of signatures say otherwise. `docs/gateway.md` has all settings.
"""

from __future__ import annotations

from collections.abc import Mapping

# as compose files name them; the gateway's own variables have a prefix
VARIABLES: Mapping[str, str] = {
    "SIGNATURES": "legacy",
    "LEGACY_DEVICES": "1-2147483647",
    "RATE_DEVICE_PER_MINUTE": "0",  # a virtual day takes seconds
}
ENVIRONMENT: Mapping[str, str] = {f"PLANTKEEPER_{name}": value for name, value in VARIABLES.items()}
