"""The real gateway held to its own description: requests that fit it and requests that do not, made by schemathesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

pytestmark = [pytest.mark.integration, pytest.mark.slow]
TOKEN = "0123456789-abcdef"
HELD = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.response_headers_conformance,
]


@pytest.fixture
def described(start_gateway: Callable[..., str], database_dsn: str) -> Any:
    gateway = start_gateway(database_dsn, PLANTKEEPER_STATUS_TOKEN=TOKEN, PLANTKEEPER_RATE_DEVICE_PER_MINUTE="0")
    return schemathesis.openapi.from_url(f"{gateway}/openapi.json")


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_gateway_answers_as_it_is_described(case: Any) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"} if case.path == "/" else {}
    case.call_and_validate(checks=HELD, headers=token, timeout=20)
