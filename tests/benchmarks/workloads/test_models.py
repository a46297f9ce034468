"""``mobilevit-bench models``: rows, what to choose, growth."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.harness.engine import Surroundings, run_plan
from benchmarks.harness.plan import Candidate, FactorySource, latency_row, subject
from benchmarks.output.models import choices, exponent, growth, models_tables, within_budget
from benchmarks.workloads.models import EXPERIMENT, Variant, model_candidates, variants
from mobilevit_edge.errors import BundleError
from mobilevit_edge.formats.report import LatencyRow, Run, Runtime, Top1, read_report
from tests.benchmarks.conftest import Kept, Launcher, plan
from tests.benchmarks.test_cli import bench

MS = 1_000_000


def run_of(times: dict[Variant, int]) -> Run:
    """A run with a constant time in milliseconds for each row."""
    candidates = []
    for variant in times:
        about = subject(
            model=variant.model,
            target=variant.target,
            precision=variant.precision,
            image_size=variant.image_size,
            batch=variant.batch,
        )
        row = latency_row(variant.name, EXPERIMENT, about, Runtime("R", None))
        candidates.append(Candidate(row, FactorySource("f", {"name": variant.name})))
    samples = {variant.name: [time * MS] * 5 for variant, time in times.items()}
    world = Surroundings(
        Kept().save, lambda step: None, Launcher(samples=lambda name, process: samples[name])
    )
    return run_plan(plan(*candidates), world)


def fp32(model: str, side: int = 256, batch: int = 1) -> Variant:
    return Variant(model, "onnx", "fp32", (side, side), batch)


def rows_of(run: Run) -> list[LatencyRow]:
    return [row for row in run.rows if isinstance(row, LatencyRow)]


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


def test_the_best_are_those_that_nothing_beats_in_both() -> None:
    # Published: xxs 69.0, v2_050 70.18, xs 74.8, v3_050 72.33.
    run = run_of(
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
    found = choices(rows_of(run))
    assert [(c.row_id.split("-")[0], c.best) for c in found] == [
        ("mobilevitv2_050", True),
        ("mobilevitv3_050", True),
        ("mobilevit_xxs", False),
        ("mobilevit_xs", True),
    ]
    assert {c.source for c in found} == {"published"}


def test_the_budget_covers_the_whole_interval() -> None:
    run = run_of({fp32("mobilevit_xxs"): 12, fp32("mobilevit_xs"): 30})
    fast, slow = choices(rows_of(run))
    assert within_budget([fast, slow], 29) == fast
    assert within_budget([fast, slow], 30) == slow
    assert within_budget([fast, replace(slow, high_ms=30.1)], 30) == fast
    assert within_budget([fast, slow], 11) is None


def test_measured_accuracy_is_not_mixed_with_published() -> None:
    run = run_of({fp32("mobilevit_xxs"): 12, fp32("mobilevit_xs"): 30})
    first, second = rows_of(run)
    measured = replace(first, subject=replace(first.subject, top1=Top1(50.0, 100, "photos")))
    (only,) = choices([measured, second])
    assert (only.row_id, only.top1, only.source) == (first.id, 50.0, "measured")


def test_growth_is_fitted_over_sizes_and_over_batches() -> None:
    run = run_of(
        {
            **{fp32("mobilevit_xxs", side): side * side // 1024 for side in (128, 256, 512)},
            **{fp32("mobilevit_xxs", batch=batch): 64 * batch for batch in (2, 4)},
        }
    )
    by_size, by_batch = growth(rows_of(run))
    assert by_size[:2] == ("mobilevit_xxs onnx fp32, batch 1", "pixels")
    assert [x for x, _ in by_size[2]] == [128**2, 256**2, 512**2]
    assert exponent(by_size[2]) == pytest.approx(1.0)
    assert by_batch[:2] == ("mobilevit_xxs onnx fp32, 65536 pixels", "images")
    assert [x for x, _ in by_batch[2]] == [1, 2, 4]
    titles = [table.title for table in models_tables(run, None)]
    assert titles[-2:] == [
        "mobilevit_xxs onnx fp32, batch 1: latency grows as pixels^1.00",
        "mobilevit_xxs onnx fp32, 65536 pixels: latency grows as images^1.00",
    ]


def test_what_cannot_be_made_or_run_is_a_row_with_its_reason(tmp_path: Path) -> None:
    wanted = [
        Variant("mobilevit_xxs", "torch", "int8", (64, 64), 1),
        Variant("mobilevit_xxs", "executorch", "int8-weight-only", (64, 64), 1),
        *([Variant("mobilevit_xxs", "coreml", "fp32", (64, 64), 1)] * (sys.platform != "darwin")),
    ]
    found = model_candidates(wanted, tmp_path, None, lambda step: None)
    reasons = [candidate.row.not_run or "" for candidate in found]
    assert reasons[0] == "the reference models are fp32 alone"
    assert "executorch has no int8-weight-only" in reasons[1]
    assert reasons[2:] == ["Core ML runs on macOS and iOS alone"] * (len(wanted) - 2)
    assert not list(tmp_path.iterdir())


def test_the_command_makes_bundles_once_and_chooses(tmp_path: Path) -> None:
    options = (
        *("--model", "mobilevitv2_050", "--target", "onnx", "torch", "--image-size", "64", "96"),
        *("--artifacts", tmp_path / "artifacts", "--processes", "1", "--seconds", "0.05"),
    )
    first = bench("models", *options, "--output", tmp_path / "a.json", "--budget-ms", "1000")
    assert first.code == 0, first.err
    assert "latency grows as pixels^" in first.out
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "artifacts").rglob("model.onnx")}
    assert len(made) == 2
    again = bench("models", *options, "--output", tmp_path / "b.json", "--json")
    assert again.code == 0, again.err
    assert {path: path.stat().st_mtime_ns for path in made} == made
    summary = json.loads(again.out)
    assert len(summary["rows"]) == 4
    assert summary["rows"][0]["first_inference_ns"] > 0
    assert [series["axis"] for series in summary["growth"]] == ["pixels", "pixels"]
    (run,) = read_report(tmp_path / "b.json").runs
    assert {row.experiment for row in run.rows} == {EXPERIMENT}


def test_another_bundle_in_the_way_is_refused(tmp_path: Path) -> None:
    variant = Variant("mobilevitv2_050", "onnx", "fp32", (64, 64), 1)
    model_candidates([variant], tmp_path, None, lambda step: None)
    other = replace(variant, image_size=(96, 96))
    (tmp_path / variant.name).rename(tmp_path / other.name)
    with pytest.raises(BundleError, match="another model's bundle: name another --artifacts"):
        model_candidates([other], tmp_path, None, lambda step: None)
