"""``mobilevit-bench blocks``: every part measured, beside its limit, and the sums judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.harness.engine import Surroundings, run_plan
from benchmarks.harness.plan import Candidate, FactorySource, latency_row, subject
from benchmarks.output.blocks import STATED_ERROR, additions, blocks_of, blocks_tables
from benchmarks.workloads import blocks
from benchmarks.workloads.blocks import EXPERIMENT, network_parts, part_run
from mobilevit_edge.formats.report import LatencyRow, Run, Runtime, read_report
from tests.benchmarks.conftest import Kept, Launcher, plan
from tests.benchmarks.test_cli import bench

MS = 1_000_000


def candidate(part: str, within: str | None = None, *, limit: bool = False) -> Candidate:
    about = subject(
        model="mobilevit_xxs",
        part=part,
        target="onnx",
        precision="fp32",
        image_size=(256, 256),
        attributes={
            **({"kind": "limit"} if limit else {}),
            **({"part_of": within} if within else {}),
        },
        parameters=10,
        macs=2_000_000,
    )
    row_id = f"onnx limit {part}" if limit else f"onnx {part}"
    limit_row = None if limit else f"onnx limit {part}"
    row = latency_row(row_id, EXPERIMENT, about, Runtime("R", None), limit_row=limit_row)
    return Candidate(row, FactorySource("f", {"name": row_id}))


def run_of(times: dict[str, int]) -> Run:
    """A run of a network of stem and one block with two pieces, in milliseconds a part."""
    parts = [("whole", None), ("stem", None), ("layer3.1", None)]
    parts += [("layer3.1.local", "layer3.1"), ("layer3.1.fusion", "layer3.1")]
    candidates = [candidate(*part, limit=limit) for limit in (True, False) for part in parts]
    samples = {
        c.row.id: [times.get(c.row.subject.part or "", 4) * MS // (2 if "limit" in c.row.id else 1)]
        for c in candidates
    }
    world = Surroundings(
        Kept().save, lambda step: None, Launcher(samples=lambda name, process: samples[name] * 5)
    )
    return run_plan(plan(*candidates, cold_starts=False), world)


def test_parts_are_added_up_and_judged_at_both_levels() -> None:
    run = run_of({"whole": 10, "stem": 3, "layer3.1": 7, "layer3.1.local": 2, "layer3.1.fusion": 9})
    of_network, of_block = additions(blocks_of(run)["onnx"])
    assert (of_network.whole, of_network.sum_ns, of_network.whole_ns) == (
        "whole",
        10 * MS,
        10 * MS,
    )
    assert of_network.adds_up
    assert of_block.difference == pytest.approx(4 / 7)
    assert not of_block.adds_up
    edge = replace(of_network, sum_ns=(1 + STATED_ERROR) * 10 * MS - 1)
    assert edge.adds_up
    assert not replace(edge, sum_ns=edge.sum_ns + MS).adds_up


def test_a_sum_without_one_of_its_parts_is_not_made() -> None:
    run = run_of({})
    rows = [
        replace(row, series=(), not_run="no runtime") if row.id == "onnx stem" else row
        for row in run.rows
        if isinstance(row, LatencyRow)
    ]
    found = additions(blocks_of(replace(run, rows=tuple(rows)))["onnx"])
    assert [addition.whole for addition in found] == ["layer3.1"]


def test_the_table_gives_speed_share_and_ratio_to_the_limit() -> None:
    run = run_of({"whole": 10, "stem": 3, "layer3.1": 7})
    table, sums = blocks_tables(run)
    stem = dict(zip(table.columns, table.rows[1], strict=True))
    assert stem["median (ms)"] == "3.000"
    assert stem["share"] == "30.0%"
    # Two million multiply-adds in three milliseconds.
    assert stem["GFLOP/s"] == "1.3"
    assert stem["limit (ms)"] == "1.500"
    assert stem["part / limit"].startswith("2.00")
    assert [row[0] for row in table.rows] == ["whole", "stem", "layer3.1", "· local", "· fusion"]
    assert sums.rows[0][-1] == "adds up"


@pytest.mark.parametrize("limit", [False, True])
def test_pytorch_runs_any_part_by_name(limit: bool) -> None:
    parts = network_parts("mobilevitv2_050", "torch", 64, limit=limit)
    for part in (parts[0], parts[6], parts[7], parts[-1]):
        assert part_run("mobilevitv2_050", 64, part.name, limit=limit)() is not None


def test_the_command_measures_every_part_of_real_artifacts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The insides of one block of three: the others are made, and measured, in the same way.
    monkeypatch.setattr(
        blocks,
        "network_parts",
        lambda *arguments, **options: [
            part
            for part in network_parts(*arguments, **options)
            if part.within in (None, "layer3.1")
        ],
    )
    report = tmp_path / "report.json"
    options = (
        *("--model", "mobilevitv2_050", "--target", "onnx", "--image-size", "64"),
        *("--artifacts", tmp_path / "artifacts", "--output", report),
        *("--processes", "1", "--seconds", "0.004"),
    )
    finished = bench("blocks", *options)
    assert finished.code == 0, finished.err
    assert "do the parts add up?" in finished.out
    (run,) = read_report(report).runs
    rows = {row.id: row for row in run.rows if isinstance(row, LatencyRow)}
    files = {path.name for path in tmp_path.rglob("*.onnx")}
    assert len(files) == len(rows)
    assert {"whole.onnx", "limit-whole.onnx", "layer3.1.layers.0.attention.onnx"} <= files
    assert all(row.series[0].samples_ns for row in rows.values())
    assert all(row.limit_row in rows for row in rows.values() if "limit" not in row.id)

    again = bench("blocks", *options, "--resume", "--json")
    assert again.code == 0, again.err
    summary = json.loads(again.out)["targets"]["onnx"]
    assert summary["parts"][0]["part"] == "whole"
    assert {entry["whole"] for entry in summary["sums"]} == {"whole", "layer3.1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "resnet50"), "is no model; choose from mobilevit_xxs"),
        (("--model", "mobilevit_xxs", "--image-size", "100"), "invalid choice: 100"),
        (("--model", "mobilevit_xxs", "--target", "tflite"), "invalid choice: 'tflite'"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: tuple[str, ...], message: str) -> None:
    finished = bench("blocks", *arguments)
    assert finished.code == 2
    assert message in finished.err
