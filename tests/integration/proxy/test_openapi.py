"""The real gateway held to its own description: requests that fit it and requests that do not, made by schemathesis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

from plantkeeper_proxy.openapi import PATHS

pytestmark = [pytest.mark.integration, pytest.mark.slow]
TOKEN = "0123456789-abcdef"
HELD = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.response_headers_conformance,
]
EXPECTED = {  # what must have been seen, so that the requests are known to go deep enough
    ("/sensor-data", "positive"): {200},
    ("/sensor-data", "negative"): {400},
    ("/login", "positive"): {401},
}


FITTING = [(path, method, GenerationMode.POSITIVE) for path, methods in PATHS.items() for method in methods]
# the other routes take nothing that could be wrong
UNFIT = [("/sensor-data", "post", GenerationMode.NEGATIVE), ("/", "get", GenerationMode.NEGATIVE)]


@pytest.mark.parametrize(("path", "method", "mode"), FITTING + UNFIT)
def test_the_gateway_answers_as_it_is_described(
    path: str, method: str, mode: GenerationMode, start_gateway: Callable[..., str], database_dsn: str
) -> None:
    gateway = start_gateway(database_dsn, PLANTKEEPER_STATUS_TOKEN=TOKEN, PLANTKEEPER_RATE_DEVICE_PER_MINUTE="0")
    described = schemathesis.openapi.from_url(f"{gateway}/openapi.json", wait_for_schema=10)
    seen: Counter[int] = Counter()

    @given(case=described[path][method].as_strategy(generation_mode=mode))
    @settings(
        max_examples=100 if path == "/sensor-data" else 15,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def held(case: Any) -> None:
        token = {"Authorization": f"Bearer {TOKEN}"} if path == "/" else {}
        answer = case.call(headers=token, timeout=20)
        seen[answer.status_code] += 1
        case.validate_response(answer, checks=HELD)

    held()
    assert set(seen) >= EXPECTED.get((path, mode.value), set()), seen
