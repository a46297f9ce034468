"""Tables of figures are those of their files."""

from __future__ import annotations

from pathlib import Path

from benchmarks.arm.counting import run_of as counts_of
from mobilevit_edge.formats.report import (
    InstructionRow,
    LatencyRow,
    Report,
    Runtime,
    Subject,
    write_report,
)
from tests.support.benchmarks import run_of_rows
from tools.docs import tables


def models_table(abouts: list[Subject], path: Path) -> list[str]:
    """The table of a report whose rows take 10, 20, ... ms."""
    rows = [
        LatencyRow(id=str(i), experiment="models", subject=about, runtime=Runtime("R", "1.0"))
        for i, about in enumerate(abouts)
    ]
    samples = {row.id: [(index + 1) * 10**7] * 5 for index, row in enumerate(rows)}
    write_report(Report(1, (run_of_rows(rows, samples),)), path)
    return tables.models(path).splitlines()


def test_models_have_a_column_for_whatever_ran_them(tmp_path: Path) -> None:
    abouts = [
        Subject(model=model, precision=precision, image_size=(256, 256))
        for model, precision in (
            ("mobilevit_xxs", "fp32"),
            ("mobilevit_xxs", "int8"),
            ("mobilevit_xs", "fp32"),
        )
    ]
    assert models_table(abouts, tmp_path / "report.json") == [
        "| model | top-1 (%) | R fp32 | R int8 |",
        "| --- | --- | --- | --- |",
        "| mobilevit_xxs | 69.0 | 10.0 ± 0.0 | 20.0 ± 0.0 |",
        "| mobilevit_xs | 74.8 | 30.0 ± 0.0 | - |",
    ]


def test_heads_have_a_row_a_stride_and_a_column_an_answer(tmp_path: Path) -> None:
    abouts = [
        Subject(
            model="deeplabv3_mobilevit_xxs",
            precision="fp32",
            image_size=(512, 512),
            attributes={"output stride": stride, "mask": mask},
        )
        for stride in ("16", "8")
        for mask in ("logits", "labels")
    ]
    assert models_table(abouts, tmp_path / "times.json") == [
        "| model | R fp32 logits | R fp32 labels |",
        "| --- | --- | --- |",
        "| deeplabv3_mobilevit_xxs, stride 16 | 10.0 ± 0.0 | 20.0 ± 0.0 |",
        "| deeplabv3_mobilevit_xxs, stride 8 | 30.0 ± 0.0 | 40.0 ± 0.0 |",
    ]
    counts = [
        InstructionRow(
            id=str(i),
            experiment="arm",
            subject=about,
            runtime=Runtime("R", "1.0"),
            source="made up",
            counts={"all": (i + 1) * 10**6},
        )
        for i, about in enumerate(abouts)
    ]
    write_report(Report(1, (counts_of(counts),)), tmp_path / "counts.json")
    assert tables.arm_models(tmp_path / "counts.json").splitlines() == [
        "| model | R logits fp32 | R labels fp32 |",
        "| --- | --- | --- |",
        "| deeplabv3_mobilevit_xxs, stride 16 | **1** | 2 |",
        "| deeplabv3_mobilevit_xxs, stride 8 | **3** | 4 |",
    ]


def test_the_fewest_instructions_of_a_precision_are_bold(tmp_path: Path) -> None:
    rows = [
        InstructionRow(
            id=f"{model} {name} {precision}",
            experiment="arm",
            subject=Subject(model=model, precision=precision),
            runtime=Runtime(name, "1.0"),
            source="made up",
            counts={"all": millions * 10**6} if millions else {},
        )
        for model, name, precision, millions in (
            ("mobilevit_xxs", "A", "int8", 20),
            ("mobilevit_xxs", "A", "fp32", 30),
            ("mobilevit_xxs", "B", "fp32", 29),
            ("mobilevit_xs", "A", "fp32", 50),
            ("mobilevit_xs", "B", "fp32", 0),
        )
    ]
    write_report(Report(1, (counts_of(rows),)), tmp_path / "report.json")
    assert tables.arm_models(tmp_path / "report.json").splitlines() == [
        "| model | A fp32 | B fp32 | A int8 |",
        "| --- | --- | --- | --- |",
        "| mobilevit_xxs | 30 | **29** | 20 |",
        "| mobilevit_xs | 50 | - | - |",
    ]


def test_a_training_log_is_shown_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,training_loss\n1,1.987\n")
    assert tables.training_log(tmp_path / "log.csv").splitlines()[::2] == [
        "| epoch | training loss |",
        "| 1 | 1.987 |",
    ]
