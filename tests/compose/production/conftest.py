"""The production stack, for real: needs Docker, and fails without. `nox -s compose` runs these tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from production_stack import ProductionStack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All images, built once."""
    stack = ProductionStack("plantkeeper-build", tmp_path_factory.mktemp("build"))
    stack.compose("--profile", "*", "build", "--quiet", timeout_s=900)


@pytest.fixture(scope="module")
def make_stack(
    images: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., ProductionStack]]:
    """Makes stacks that are taken down after the module."""
    made: list[ProductionStack] = []

    def make(**environment: str) -> ProductionStack:
        what = request.path.stem.removeprefix("test_").replace("_", "-")
        name = f"pk-{what}-{os.getpid()}-{len(made)}"
        made.append(ProductionStack(name, tmp_path_factory.mktemp(what), **environment))
        return made[-1]

    yield make
    for stack in made:
        stack.down()
