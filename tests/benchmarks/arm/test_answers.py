"""Answers of an emulated processor: what passes, what fails, and what the command makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.analysis.agreement import agreement
from benchmarks.arm import counting
from benchmarks.arm.answers import check_answers
from converters.targets.comparison import compare_answers
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.report import Agreement, InstructionRow, Runtime, Subject
from tests.support.benchmarks import bench

ROW = InstructionRow(
    id="xxs cortex-a76",
    experiment="arm",
    subject=Subject(precision="fp32"),
    runtime=Runtime("ExecuTorch", "1"),
    source="made up",
    counts={"all": 1},
    agreement=Agreement(1, 1, 0.0),
)


def differing(difference: float, precision: str) -> InstructionRow:
    return replace(ROW, subject=Subject(precision=precision), agreement=Agreement(1, 1, difference))


def test_agreement_is_the_worst_input_in_relation_to_its_largest_output() -> None:
    expected = np.array([[1.0, 4.0], [100.0, -50.0]])
    found = np.array([[1.0, 4.2], [100.0, -51.0]])
    pairs = list(zip(found, expected, strict=True))
    result = agreement([compare_answers(None, *pair) for pair in pairs])
    assert (result.inputs, result.same_top1) == (2, 2)
    assert result.largest_difference == pytest.approx(0.05)
    assert agreement([compare_answers(None, one[::-1], one) for one in expected]).same_top1 == 0


@pytest.mark.parametrize(
    ("precision", "allowed"), [("fp32", 2e-5), ("fp16", 2e-2), ("int8", 0.1), ("int8-dynamic", 0.1)]
)
def test_a_difference_is_judged_by_precision(precision: str, allowed: float) -> None:
    check_answers([differing(0.99 * allowed, precision)])
    with pytest.raises(VerificationError, match=r"1 of 2 rows .* xxs cortex-a76 differs by"):
        check_answers([ROW, differing(1.01 * allowed, precision)])


def test_a_runtime_that_failed_is_no_agreement() -> None:
    crashed = replace(ROW, counts={}, agreement=None, not_run="it failed with 139")
    with pytest.raises(VerificationError, match="it failed with 139"):
        check_answers([crashed])


def test_other_answers_fail_the_command_and_are_not_recorded(
    exported: Path, emulating: Callable[[float], list[str]], tmp_path: Path
) -> None:
    emulating(1.0)
    record, report = tmp_path / "counts.json", tmp_path / "report.json"
    finished = bench("arm", exported, "--output", report, "--record", record)
    assert finished.code == 6
    assert (
        "do not give the same answers as this machine: bundle cortex-a76 differs by" in finished.err
    )
    assert not record.exists()
    assert report.exists()


def test_the_same_answers_are_recorded_and_then_pass(
    exported: Path, emulating: Callable[[float], list[str]], tmp_path: Path
) -> None:
    emulating(0.0)
    record = tmp_path / "counts.json"
    arguments = ("arm", exported, "--output", tmp_path / "report.json")
    assert bench(*arguments, "--record", record).code == 0
    assert bench(*arguments, "--check", record).code == 0
    kept = json.loads(record.read_text())
    kept["bundle cortex-a76"]["all"] -= 20_000  # one percent
    record.write_text(json.dumps(kept))
    assert bench(*arguments, "--check", record).code == 6


@pytest.mark.parametrize("option", ["--check", "--record"])
def test_a_damaged_record_is_refused_before_any_emulation(
    exported: Path, emulating: Callable[[float], list[str]], tmp_path: Path, option: str
) -> None:
    asked = emulating(0.0)
    record = tmp_path / "counts.json"
    record.write_text("[]")
    finished = bench("arm", exported, "--output", tmp_path / "report.json", option, record)
    assert (finished.code, asked) == (4, [])
    assert "is not a record of counts" in finished.err


def test_bundles_that_no_arm_runtime_runs_are_an_error(
    exported: Path,
    emulating: Callable[[float], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emulating(0.0)
    monkeypatch.setattr(counting, "EMULATED_TARGETS", ("executorch",))
    finished = bench("arm", exported, "--output", tmp_path / "report.json")
    assert finished.code == 4
    assert "nothing could be counted: there is no ARM runtime for onnx here" in finished.err
