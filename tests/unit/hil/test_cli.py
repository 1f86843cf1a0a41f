"""`hil` says what does not fit together before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkeeper_hil.cli import main


def test_a_gateway_of_ones_own_has_no_place_in_a_composed_stack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sim", "--stack", "compose", "--gateway", "my-gateway", "--out", str(tmp_path / "out")]) == 2
    assert "--gateway my-gateway: with --stack compose the gateway is the image's" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
