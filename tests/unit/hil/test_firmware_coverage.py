"""Reading what gcov says: headers are in many objects, and only firmware/lib counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantkeeper_hil.firmware.coverage import (
    CoverageError,
    FileCoverage,
    by_addresses,
    main,
    merge,
    read,
    read_elf,
    total_percent,
)


def report(name: str, **counts: int) -> dict[str, object]:
    lines = [{"line_number": int(number[1:]), "count": count} for number, count in counts.items()]
    return {"files": [{"file": name, "lines": lines}]}


def test_a_line_counts_if_any_object_ran_it() -> None:
    reports = [
        report("/x/firmware/lib/text/text.h", l1=0, l2=0),
        report("firmware/lib/text/text.h", l1=3, l3=0),
        report("tests/unit/firmware/driver.cpp", l1=0),
    ]
    files = merge(reports, "firmware/lib/")
    assert files == [FileCoverage("text/text.h", 3, (2, 3))]
    assert round(total_percent(files), 1) == 33.3


def test_a_line_of_the_elf_counts_if_any_instruction_that_begins_it_ran() -> None:
    lines = [(0, "a.cpp:1"), (2, "a.cpp:2"), (4, "core.cpp:9"), (6, "a.cpp:2"), (8, "a.cpp:3")]
    assert by_addresses(lines, {0, 6}, {"a.cpp"}) == [FileCoverage("a.cpp", 3, (3,))]


def test_no_lines_are_no_coverage() -> None:
    assert total_percent([]) == 0.0


def test_a_folder_without_data_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CoverageError, match="nox -s coverage"):
        read(tmp_path)
    with pytest.raises(CoverageError, match="nox -s coverage"):
        read_elf(tmp_path, tmp_path)
    assert main([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
