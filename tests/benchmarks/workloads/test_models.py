"""``mobilevit-bench models``: rows, what to choose, scaling."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks.output.models import choices, models_tables, scalings, within_budget
from benchmarks.workloads.models import (
    EXPERIMENT,
    Variant,
    model_candidates,
    reference_run,
    variants,
)
from benchmarks.workloads.reuse import recipe
from mobilevit_edge.errors import OutputError
from mobilevit_edge.formats.report import LatencyRow, Runtime, Subject, Top1, read_report
from tests.support.benchmarks import bench, ignore, rows_of, run_of_rows

MS = 1_000_000


def rows_taking(times: dict[Variant, int]) -> list[LatencyRow]:
    """Rows with a constant time in milliseconds each."""
    rows = [
        LatencyRow(
            id=variant.name,
            experiment=EXPERIMENT,
            subject=Subject(
                model=variant.model,
                target=variant.target,
                precision=variant.precision,
                image_size=variant.image_size,
                batch=variant.batch,
            ),
            runtime=Runtime("R", None),
        )
        for variant in times
    ]
    samples = {variant.name: [time * MS] * 5 for variant, time in times.items()}
    return list(rows_of(run_of_rows(rows, samples)).values())


def fp32(model: str, side: int = 256, batch: int = 1) -> Variant:
    return Variant(model, "onnx", "fp32", (side, side), batch)


def test_every_combination_is_a_row_once() -> None:
    found = variants(
        ["mobilevit_xxs", "mobilevit_xxs"],
        ["onnx", "torch"],
        ["fp32", "int8"],
        [(256, 256), (192, 320)],
        [1, 4],
    )
    assert len(found) == len({variant.name for variant in found}) == 16
    assert found[0].name == "mobilevit_xxs-onnx-fp32-256"
    assert found[-1].name == "mobilevit_xxs-torch-int8-192x320-batch4"


def test_heads_for_masks_vary_in_what_others_do_not_have() -> None:
    found = variants(
        ["deeplabv3_mobilevit_xxs", "mobilevit_xxs"],
        ["onnx", "torch"],
        ["fp32"],
        [(512, 512)],
        [1],
        output_strides=(16, 8),
        masks=("labels", "logits"),
    )
    assert [variant.name for variant in found] == [
        *(
            f"deeplabv3_mobilevit_xxs-stride{stride}-{rest}"
            for stride in (16, 8)
            for rest in ("onnx-fp32-512-labels", "torch-fp32-512", "onnx-fp32-512-logits")
        ),
        "mobilevit_xxs-onnx-fp32-512",
        "mobilevit_xxs-torch-fp32-512",
    ]


def test_a_network_with_a_head_is_counted_and_run(tmp_path: Path) -> None:
    wanted = [
        Variant("deeplabv3_mobilevit_xxs", "torch", "fp32", (64, 64), 1, stride)
        for stride in (16, 8)
    ]
    coarse, fine = model_candidates(wanted, tmp_path, None, ignore)
    assert (coarse.row.subject.macs or 0) < (fine.row.subject.macs or 0)
    assert fine.row.subject.attributes == {"output stride": "8"}
    assert reference_run("deeplabv3_mobilevit_xxs", 64, 64, 1, 8)() is not None


def test_the_pareto_front_is_what_nothing_beats_in_both() -> None:
    # Published: xxs 69.0, v2_050 70.18, xs 74.8, v3_050 72.33.
    rows = rows_taking(
        {
            fp32("mobilevit_xxs"): 12,
            fp32("mobilevitv2_050"): 10,
            fp32("mobilevitv3_050"): 11,
            fp32("mobilevit_xs"): 30,
            Variant("mobilevit_xs", "onnx", "int8", (256, 256), 1): 5,
            fp32("mobilevit_xs", batch=4): 90,
            fp32("mobilevit_xs", 192): 15,
        }
    )
    found = choices(rows)
    assert [(c.row_id.split("-")[0], c.on_pareto_front) for c in found] == [
        ("mobilevitv2_050", True),
        ("mobilevitv3_050", True),
        ("mobilevit_xxs", False),
        ("mobilevit_xs", True),
    ]
    assert {c.source for c in found} == {"published"}


def test_the_budget_covers_the_whole_interval() -> None:
    rows = rows_taking({fp32("mobilevit_xxs"): 12, fp32("mobilevit_xs"): 30})
    fast, slow = choices(rows)
    assert within_budget([fast, slow], 29) == fast
    assert within_budget([fast, slow], 30) == slow
    assert within_budget([fast, replace(slow, high_ms=30.1)], 30) == fast
    assert within_budget([fast, slow], 11) is None


def test_measured_accuracy_is_not_mixed_with_published() -> None:
    first, second = rows_taking({fp32("mobilevit_xxs"): 12, fp32("mobilevit_xs"): 30})
    measured = replace(first, subject=replace(first.subject, top1=Top1(50.0, 100, "photos")))
    (only,) = choices([measured, second])
    assert (only.row_id, only.top1, only.source) == (first.id, 50.0, "measured")


def test_scaling_is_fitted_over_sizes_and_over_batches() -> None:
    times = {fp32("mobilevit_xxs", side): side * side // 1024 for side in (128, 256, 512)}
    times |= {fp32("mobilevit_xxs", batch=batch): 64 * batch for batch in (2, 4)}
    rows = rows_taking(times)
    by_size, by_batch = scalings(rows)
    assert (by_size.name, by_size.axis) == ("mobilevit_xxs onnx fp32, batch 1", "pixels")
    assert [x for x, _ in by_size.points] == [128**2, 256**2, 512**2]
    assert by_size.exponent == pytest.approx(1.0)
    assert (by_batch.name, by_batch.axis) == ("mobilevit_xxs onnx fp32, 65536 pixels", "images")
    assert [x for x, _ in by_batch.points] == [1, 2, 4]
    run = run_of_rows(rows, {row.id: [MS] for row in rows})
    titles = [table.title for table in models_tables(replace(run, rows=tuple(rows)))]
    assert titles[-2:] == [
        "mobilevit_xxs onnx fp32, batch 1: latency grows as pixels^1.00",
        "mobilevit_xxs onnx fp32, 65536 pixels: latency grows as images^1.00",
    ]


def test_sizes_of_as_many_pixels_are_no_growth() -> None:
    first, second = rows_taking({fp32("mobilevit_xxs"): 12, fp32("mobilevit_xs"): 30})
    sides = ((192, 320), (320, 192))
    rows = [
        replace(row, subject=replace(first.subject, image_size=size))
        for row, size in zip((first, second), sides, strict=True)
    ]
    assert scalings(rows) == ()


def test_what_cannot_be_made_or_run_is_a_row_with_its_reason(tmp_path: Path) -> None:
    wanted = [
        Variant("mobilevit_xxs", "torch", "int8", (64, 64), 1),
        Variant("mobilevit_xxs", "executorch", "int8-weight-only", (64, 64), 1),
        *([Variant("mobilevit_xxs", "coreml", "fp32", (64, 64), 1)] * (sys.platform != "darwin")),
    ]
    found = model_candidates(wanted, tmp_path, None, ignore)
    reasons = [candidate.row.not_run or "" for candidate in found]
    assert reasons[0] == "the reference models run only in fp32"
    assert "executorch has no int8-weight-only" in reasons[1]
    assert reasons[2:] == ["Core ML runs only on macOS and iOS"] * (len(wanted) - 2)
    assert not list(tmp_path.iterdir())


def test_the_command_makes_what_is_missing_once_and_chooses(exported: Path, tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    variant = fp32("mobilevitv2_050", 32)
    shutil.copytree(exported, artifacts / variant.name)
    made_of = recipe("onnx", variant=asdict(variant), calibration=None)
    (artifacts / f"{variant.name}.made-of").write_text(made_of)
    options = [
        "--model",
        "mobilevitv2_050",
        "--target",
        "onnx",
        "torch",
        "--image-size",
        "32",
        "--batch",
        "1",
        "2",
    ]
    options += ["--artifacts", str(artifacts), "--processes", "1", "--seconds", "0.05"]
    options += ["--output", str(tmp_path / "report.json")]
    first = bench("models", *options, "--budget-ms", "1000")
    assert first.code == 0, first.err
    assert "latency grows as images^" in first.out
    made = {path: path.stat().st_mtime_ns for path in artifacts.rglob("model.onnx")}
    assert len(made) == 2
    again = bench("models", *options, "--resume", "--json")
    assert again.code == 0, again.err
    assert {path: path.stat().st_mtime_ns for path in made} == made
    summary = json.loads(again.out)
    assert len(summary["rows"]) == 4
    assert summary["rows"][0]["first_inference_ns"] > 0
    assert [series["axis"] for series in summary["growth"]] == ["images", "images"]
    (run,) = read_report(tmp_path / "report.json").runs
    assert {row.experiment for row in run.rows} == {EXPERIMENT}


def test_a_users_own_bundle_in_the_way_is_refused(exported: Path, tmp_path: Path) -> None:
    variant = fp32("mobilevitv2_050", 32)
    shutil.copytree(exported, tmp_path / variant.name)
    with pytest.raises(OutputError, match=r"not made by mobilevit-bench.*another --artifacts"):
        model_candidates([variant], tmp_path, None, ignore)
