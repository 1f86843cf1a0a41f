"""From runs to figures: ratios within a round, medians over rounds, and no figure where the ends differ."""

from __future__ import annotations

import pytest

from plantkeeper_sim.bench.figures import agreed_cycles, figures, table
from plantkeeper_sim.bench.peer import Run, RunError, parse_run
from plantkeeper_sim.bench.qemu import checksum_in

SUM = "0123abcd"


def a_round(ours_s: float, simavr_s: float, qemu_s: float) -> dict[str, Run]:
    return {"ours": Run(1000, ours_s, SUM), "simavr": Run(1000, simavr_s, SUM), "qemu": Run(None, qemu_s, SUM)}


def test_ratios_are_medians_of_rounds_and_not_ratios_of_medians() -> None:
    made = figures([a_round(1, 10, 1), a_round(2, 8, 4), a_round(5, 35, 5)])
    assert made == {
        "ours_cycles_per_s": 500,
        "simavr_cycles_per_s": 100,
        "ratio": 7,
        "qemu_cycles_per_s": 250,  # credited with the cycles that it does not count
        "qemu_ratio": 1,
    }


def test_an_emulator_that_is_absent_has_no_key() -> None:
    assert set(figures([{"ours": Run(1000, 1, SUM)}])) == {"ours_cycles_per_s"}


def test_another_checksum_is_refused() -> None:
    rounds = [a_round(1, 1, 1), {**a_round(1, 1, 1), "qemu": Run(None, 1, "ffffffff")}]
    with pytest.raises(RunError, match="qemu made the checksum ffffffff, ours 0123abcd"):
        figures(rounds)


def test_another_cycle_count_is_refused() -> None:
    with pytest.raises(RunError, match="simavr counted 1001 cycles, ours 1000"):
        agreed_cycles([{**a_round(1, 1, 1), "simavr": Run(1001, 1, SUM)}])


def test_the_table_names_speeds_ratios_and_what_is_absent() -> None:
    made = {"ours_cycles_per_s": 800e6, "simavr_cycles_per_s": 100e6, "ratio": 8.0}
    lines = table(made, {"ours": "v1", "simavr": "v2"}, {"avr8js": "no Node.js"}, 16_000_000).splitlines()
    assert [line.split() for line in lines] == [
        ["emulator", "Mcycles/s", "×", "real", "time", "ours", "is", "version"],
        ["ours", "800.0", "50.0", "v1"],
        ["simavr", "100.0", "6.2", "8.00", "×", "v2"],
        ["avr8js", "absent:", "no", "Node.js"],
    ]


def test_a_runner_line_is_found_among_others() -> None:
    assert parse_run("Loaded 3672 .text\nran 12 0.500000000 0123abcd\n") == Run(12, 0.5, SUM)
    with pytest.raises(RunError, match="did not say how it went, but: 'Loaded'"):
        parse_run("Loaded")


@pytest.mark.parametrize("said", [b"", b"S", b"S0123abc\n", b"0123abcd\n", b"S0123ABCD\n", b"S0123abcd\nS"])
def test_a_serial_line_that_is_not_a_checksum_is_refused(said: bytes) -> None:
    assert checksum_in(b"S0123abcd\n") == SUM
    with pytest.raises(RunError):
        checksum_in(said)
