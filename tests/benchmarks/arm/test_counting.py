"""Counts and answers, and what becomes of them in a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.arm import counting
from benchmarks.arm.counting import count_instructions, counting_jobs, run_of
from benchmarks.arm.emulation import Emulated
from benchmarks.arm.machine_code import Block
from benchmarks.arm.processors import PROCESSORS
from benchmarks.arm.toolchain import Toolchain
from benchmarks.output.arm import arm_table
from benchmarks.output.rendering.content import sections_of
from benchmarks.output.rendering.markdown import to_markdown
from mobilevit_edge.errors import BundleError, ConversionError
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.formats.report import Report, report_from_json, report_to_json
from tests.support.benchmarks import ignore

TOOLCHAIN = Toolchain(Path("nowhere"))
PAIR = [PROCESSORS["cortex-a53"], PROCESSORS["cortex-a76"]]


def test_a_bundle_is_counted_on_every_processor_and_reported(
    exported: Path, emulating: Callable[[float], list[str]]
) -> None:
    emulating(0.0)
    rows = [
        count_instructions(job, TOOLCHAIN, None, ignore) for job in counting_jobs([exported], PAIR)
    ]
    assert [row.id for row in rows] == ["bundle cortex-a53", "bundle cortex-a76"]
    assert rows[0].agreement is not None
    assert rows[0].agreement.largest_difference == 0
    assert rows[0].source == "ARM instruction count (emulated cortex-a53)"
    report = Report(1, (run_of(rows),))
    assert report_from_json(report_to_json(report)) == report
    text = to_markdown(sections_of(report))
    assert "executed instructions, not a latency" in text
    assert "| bundle cortex-a76 | 2.0 | 1.0 |" in text
    assert "1 of 1" in text


@pytest.mark.parametrize(
    ("name", "classes"), [("v2_psp", 96 * 64), ("v2_boxes", 352), ("v2_softmax", 1)]
)
def test_masks_boxes_and_batches_are_compared_in_their_own_shape(
    tiny_bundle: Callable[[str], Bundle],
    emulating: Callable[[float], list[str]],
    name: str,
    classes: int,
) -> None:
    emulating(0.0)
    (job,) = counting_jobs([tiny_bundle(name).path], PAIR[:1])
    found = count_instructions(job, TOOLCHAIN, None, ignore).agreement
    assert found is not None
    assert (found.inputs, found.same_top1, found.largest_difference) == (classes, classes, 0)


def test_an_emulated_runtime_that_fails_is_a_reason_in_its_row(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> Emulated:
        raise ConversionError("model.onnx on an emulated cortex-a53 failed with 139")

    monkeypatch.setattr(counting, "emulate", fails)
    (job,) = counting_jobs([exported], PAIR[:1])
    row = count_instructions(job, TOOLCHAIN, None, ignore)
    assert row.counts == {}
    assert "failed with 139" in (row.not_run or "")
    assert "not run: model.onnx on an emulated" in arm_table([row]).rows[0][1]


def test_an_answer_that_is_not_a_number_is_a_reason_in_its_row(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Emulated(np.array([[1.0, np.nan]]), (Block(1, (0xD503201F,)),))
    monkeypatch.setattr(counting, "emulate", lambda *arguments: answer)
    (job,) = counting_jobs([exported], PAIR[:1])
    row = count_instructions(job, TOOLCHAIN, None, ignore)
    assert (row.counts, row.not_run) == ({}, "the emulated runtime outputs NaN or Inf")


def test_what_is_not_a_bundle_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        counting_jobs([tmp_path], PAIR)


@pytest.mark.parametrize(("form", "way_out"), [("labels", "logits"), ("nms", "decoded")])
def test_answers_without_numbers_to_compare_are_refused_before_any_work(
    exported: Path, monkeypatch: pytest.MonkeyPatch, form: str, way_out: str
) -> None:
    monkeypatch.setattr(counting, "answer_of", lambda bundle: form)
    (job,) = counting_jobs([exported], PAIR[:1])
    assert way_out in (job.row.not_run or "")
