"""Recorded counts: what passes, what fails, and how it says so."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.analysis import record as records
from benchmarks.analysis.record import read_record, write_record
from benchmarks.arm.counting import TOLERANCE, allowed_change
from mobilevit_edge.errors import ReportError, VerificationError
from mobilevit_edge.formats.report import InstructionRow, Runtime, Subject

check_record = partial(records.check_record, allowed=allowed_change)

ROW = InstructionRow(
    id="xxs cortex-a76",
    experiment="arm",
    subject=Subject(),
    runtime=Runtime("ExecuTorch", "1"),
    source="made up",
    counts={"all": 1_000_000, "fmla": 400_000, "dot": 0},
)


def counted(**counts: int) -> InstructionRow:
    return replace(ROW, counts={**ROW.counts, **counts})


@pytest.fixture
def record(tmp_path: Path) -> Path:
    write_record([ROW], tmp_path / "counts.json")
    return tmp_path / "counts.json"


def test_the_same_counts_pass(record: Path) -> None:
    check_record([ROW], record)


@given(change=st.integers(-20_000, 20_000))
def test_only_changes_beyond_the_tolerance_fail(
    tmp_path_factory: pytest.TempPathFactory, change: int
) -> None:
    path = tmp_path_factory.mktemp("record") / "counts.json"
    write_record([ROW], path)
    row = counted(all=1_000_000 + change)
    if abs(change) <= TOLERANCE * 1_000_000:
        check_record([row], path)
        return
    with pytest.raises(VerificationError, match=r"xxs cortex-a76: all 1,000,000 -> .*--record"):
        check_record([row], path)


def test_every_kind_is_judged_in_relation_to_all(record: Path) -> None:
    check_record([counted(dot=4000)], record)
    with pytest.raises(VerificationError, match="dot 0 -> 6,000"):
        check_record([counted(dot=6000)], record)
    with pytest.raises(VerificationError, match="fmla 400,000 -> 300,000"):
        check_record([counted(fmla=300_000)], record)


def test_a_row_that_is_not_recorded_or_was_not_run_fails(record: Path) -> None:
    with pytest.raises(VerificationError, match="other is not recorded"):
        check_record([replace(ROW, id="other")], record)
    with pytest.raises(VerificationError, match="not run: it crashed"):
        check_record([replace(ROW, counts={}, not_run="it crashed")], record)


def test_recording_again_replaces_rows_and_keeps_the_others(record: Path) -> None:
    write_record([counted(all=5), replace(ROW, id="other")], record)
    recorded = read_record(record)
    assert recorded["xxs cortex-a76"]["all"] == 5
    assert set(recorded) == {"other", "xxs cortex-a76"}
    write_record([replace(ROW, counts={}, not_run="it crashed")], record)
    assert read_record(record) == recorded


@pytest.mark.parametrize("text", ["", "[]", '{"a": {"all": -1}}', '{"a": 5}', "\xff"])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "counts.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ReportError, match="is not a record of counts"):
        check_record([ROW], path)
    assert path.read_text(encoding="latin-1") == text


def test_a_missing_record_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="--record makes one"):
        check_record([ROW], tmp_path / "none.json")


def test_a_record_is_plain_json_that_diffs_well(record: Path) -> None:
    assert json.loads(record.read_text()) == {ROW.id: dict(ROW.counts)}
    assert record.read_text().count("\n") > 3
