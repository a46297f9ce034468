"""``mobilevit-bench blocks``: every part measured beside its lower bound, and the sums."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.output.blocks import (
    TOLERANCE,
    best_bounds,
    blocks_of,
    blocks_tables,
    part_sums,
)
from benchmarks.workloads import artifacts, blocks
from benchmarks.workloads.blocks import EXPERIMENT, network_parts, part_run
from mobilevit_edge.formats.report import LatencyRow, Run, Runtime, Subject, read_report
from mobilevit_edge.models.network import create_model
from tests.support.benchmarks import bench, rows_of, run_of_rows
from tests.support.networks import lean_spec

MS = 1_000_000
MEASURED = ("whole", "layer2.1", "layer2.1.local", "layer2.1.layers.0.attention")


def row_of(part: str, within: str | None, *, lower_bound: bool) -> LatencyRow:
    attributes = {"kind": "limit"} if lower_bound else {}
    return LatencyRow(
        id=f"onnx limit {part}" if lower_bound else f"onnx {part}",
        experiment=EXPERIMENT,
        subject=Subject(
            model="mobilevit_xxs",
            part=part,
            target="onnx",
            precision="fp32",
            image_size=(256, 256),
            attributes=attributes | ({"part_of": within} if within else {}),
            parameters=10,
            macs=2_000_000,
        ),
        runtime=Runtime("R", None),
        limit_row=None if lower_bound else f"onnx limit {part}",
    )


def run_of(times: dict[str, int]) -> Run:
    """A run of a network of stem and one block with two pieces, in milliseconds a part."""
    parts: list[tuple[str, str | None]] = [("whole", None), ("stem", None), ("layer3.1", None)]
    parts += [("layer3.1.local", "layer3.1"), ("layer3.1.fusion", "layer3.1")]
    rows = [row_of(*part, lower_bound=bound) for bound in (True, False) for part in parts]
    samples = {
        row.id: [times.get(row.subject.part or "", 4) * MS // (1 if row.limit_row else 2)] * 5
        for row in rows
    }
    return run_of_rows(rows, samples)


def test_parts_are_summed_and_compared_at_both_levels() -> None:
    run = run_of({"whole": 10, "stem": 3, "layer3.1": 7, "layer3.1.local": 2, "layer3.1.fusion": 9})
    of_network, of_block = part_sums(blocks_of(run)["onnx"])
    assert (of_network.whole, of_network.sum_ns, of_network.whole_ns) == (
        "whole",
        10 * MS,
        10 * MS,
    )
    assert of_network.within_tolerance
    assert of_block.difference == pytest.approx(4 / 7)
    assert not of_block.within_tolerance
    edge = replace(of_network, sum_ns=(1 + TOLERANCE) * 10 * MS - 1)
    assert edge.within_tolerance
    assert not replace(edge, sum_ns=edge.sum_ns + MS).within_tolerance


def test_a_sum_without_one_of_its_parts_is_not_made() -> None:
    run = run_of({})
    rows = [
        replace(row, series=(), not_run="no runtime") if row.id == "onnx stem" else row
        for row in rows_of(run).values()
    ]
    found = part_sums(blocks_of(replace(run, rows=tuple(rows)))["onnx"])
    assert [part_sum.whole for part_sum in found] == ["layer3.1"]


def test_the_table_gives_speed_share_and_ratio_to_the_lower_bound() -> None:
    run = run_of({"whole": 10, "stem": 3, "layer3.1": 7})
    table, sums = blocks_tables(run)
    stem = dict(zip(table.columns, table.rows[1], strict=True))
    assert stem["median (ms)"] == "3.000"
    assert stem["share"] == "30.0%"
    # Two million multiply-adds in three milliseconds.
    assert stem["GFLOP/s"] == "1.3"
    assert stem["bound (ms)"] == "1.500"
    assert stem["part / bound"].startswith("2.00")
    assert stem["best bound (ms)"] == "1.500 onnx"
    assert stem["part / best bound"] == stem["part / bound"]
    assert [row[0] for row in table.rows] == ["whole", "stem", "layer3.1", "· local", "· fusion"]
    assert sums.rows[0][-1] == "within tolerance"


def test_the_best_bound_is_that_of_the_runtime_that_is_fastest_at_a_part() -> None:
    """Both take as long for the network; the second is twice as fast at what the stem needs."""
    rows = [
        replace(
            row_of("stem", None, lower_bound=bound),
            id=f"{target} {'limit ' if bound else ''}stem",
            subject=replace(row_of("stem", None, lower_bound=bound).subject, target=target),
            limit_row=None if bound else f"{target} limit stem",
        )
        for target in ("onnx", "litert")
        for bound in (True, False)
    ]
    times = {"onnx limit stem": 4, "onnx stem": 6, "litert limit stem": 2, "litert stem": 5}
    run = run_of_rows(rows, {name: [ms * MS] * 5 for name, ms in times.items()})
    assert {part: row.id for part, row in best_bounds(run).items()} == {"stem": "litert limit stem"}
    onnx = blocks_tables(run)[0]
    stem = dict(zip(onnx.columns, onnx.rows[0], strict=True))
    assert stem["bound (ms)"] == "4.000"
    assert stem["part / bound"].startswith("1.50")
    assert stem["best bound (ms)"] == "2.000 litert"
    assert stem["part / best bound"].startswith("3.00")


@pytest.mark.parametrize("lower_bound", [False, True])
def test_pytorch_runs_any_part_by_name(lower_bound: bool) -> None:
    parts = network_parts("mobilevitv2_050", "torch", 64, lower_bound=lower_bound)
    for part in (parts[0], parts[6], parts[7], parts[-1]):
        run = part_run("mobilevitv2_050", 64, part.name, lower_bound=lower_bound)
        assert run() is not None


@pytest.fixture
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A network whose parts are exported in little time, under the name of a real one."""
    network_parts.cache_clear()
    monkeypatch.setattr(artifacts, "create_model", lambda name: create_model(lean_spec("v2")))
    yield
    network_parts.cache_clear()


@pytest.mark.usefixtures("tiny_network")
def test_the_command_measures_every_part_of_real_artifacts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The whole and a few parts: the others are made, and measured, in the same way.
    monkeypatch.setattr(
        blocks,
        "network_parts",
        lambda *arguments, **options: [
            part for part in network_parts(*arguments, **options) if part.name in MEASURED
        ],
    )
    report = tmp_path / "report.json"
    options = ["--model", "mobilevitv2_050", "--target", "onnx", "--image-size", "64"]
    options += ["--artifacts", str(tmp_path / "artifacts"), "--output", str(report)]
    options += ["--processes", "1", "--seconds", "0.004"]
    finished = bench("blocks", *options)
    assert finished.code == 0, finished.err
    assert "do the parts add up?" in finished.out
    (run,) = read_report(report).runs
    rows = rows_of(run)
    files = {path.name for path in tmp_path.rglob("*.onnx")}
    assert len(files) == len(rows)
    assert {"whole.onnx", "limit-whole.onnx", "layer2.1.layers.0.attention.onnx"} <= files
    assert all(row.series[0].samples_ns for row in rows.values())
    assert all(row.limit_row in rows for row in rows.values() if "limit" not in row.id)

    again = bench("blocks", *options, "--resume", "--json")
    assert again.code == 0, again.err
    summary = json.loads(again.out)["targets"]["onnx"]
    assert summary["parts"][0]["part"] == "whole"
    assert {entry["whole"] for entry in summary["sums"]} == {"whole", "layer2.1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "resnet50"), "is not a model; choose from mobilevit_xxs"),
        (("--model", "mobilevit_xxs", "--image-size", "100"), "invalid choice: 100"),
        (("--model", "mobilevit_xxs", "--target", "tflite"), "invalid choice: 'tflite'"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: tuple[str, ...], message: str) -> None:
    finished = bench("blocks", *arguments)
    assert finished.code == 2
    assert message in finished.err
