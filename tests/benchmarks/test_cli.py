"""``mobilevit-bench run`` and ``compare``, on small bundles made by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.harness import engine
from benchmarks.harness.engine import Environment
from benchmarks.harness.plan import MeasurementPlan
from benchmarks.workloads.bundles import bundle_group
from mobilevit_edge.formats.report import SCHEMA_VERSION, Report, Run, read_report, write_report
from tests.support.benchmarks import (
    Launcher,
    bench,
    carry_out,
    make_bundle,
    named,
    onnx_model,
    plan,
    rows_of,
    run_of_rows,
)

QUICK = ("--seconds", "0.05", "--processes", "3")


@pytest.fixture(scope="module")
def bundles(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("bundles")
    accuracy = {
        "images": 1000,
        "unreadable": 3,
        "reference_correct": 900,
        "artifact_correct": 891,
        "max_drop": 1.0,
    }
    return {
        "small": make_bundle(exported, root / "small", onnx_model(2), accuracy=accuracy),
        "large": make_bundle(exported, root / "large", onnx_model(256)),
        "broken": make_bundle(exported, root / "broken", b"no model"),
    }.__getitem__


def test_bundles_are_measured_into_a_report(bundles: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    names = ("small", "large", "broken")
    options = ("--seconds", "0.05", "--processes", "2", "--output", path, "--profile")
    finished = bench("run", *map(bundles, names), *options, "--json")
    assert finished.code == 0, finished.err
    summary = json.loads(finished.out)
    assert summary["report"] == str(path)
    (run,) = read_report(path).runs
    rows = rows_of(run)
    small, large = rows["small"], rows["large"]
    assert len(small.series) == len(large.series) == len(small.cold_starts) == 2
    assert small.subject.artifact is not None
    assert small.subject.artifact.bytes == len(onnx_model(2))
    assert small.subject.model == "mobilevitv2_050"
    assert small.subject.top1 is not None
    assert small.subject.top1.percent == pytest.approx(89.1)
    assert small.profile is not None
    assert {o.module for o in small.profile.operators} >= {"stem", "pool"}
    assert {o.kind for o in small.profile.operators} >= {"Conv", "GlobalAveragePool"}
    assert "cannot load" in (rows["broken"].not_run or "")
    by_id = {row["id"]: row for row in summary["rows"]}
    assert by_id["large"]["against_first"]["ratio"] > 1
    assert by_id["broken"]["median_ns"] is None
    again = bench("run", *map(bundles, names), *options, "--resume")
    assert again.code == 0, again.err
    assert "large" in again.out
    assert "broken: not run: the runtime cannot load model.onnx" in again.out
    assert read_report(path).runs == (run,)


def test_a_report_is_neither_overwritten_nor_continued_with_other_options(
    bundles: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    first = bench("run", bundles("small"), "--seconds", "0.01", "--processes", 1, "--output", path)
    assert first.code == 0, first.err
    content = path.read_bytes()
    finished = bench("run", bundles("small"), *QUICK, "--output", path)
    assert finished.code == 4
    assert "--resume" in finished.err
    finished = bench("run", bundles("small"), *QUICK, "--output", path, "--resume")
    assert finished.code == 2
    assert "other models or options" in finished.err
    assert path.read_bytes() == content


def test_nothing_measured_is_an_error_with_a_report(
    bundles: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    finished = bench("run", bundles("broken"), *QUICK, "--output", path)
    assert finished.code == 4
    assert "nothing could be measured" in finished.err
    (row,) = read_report(path).runs[0].rows
    assert row.not_run is not None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("run",), 2),
        (("run", "missing"), 4),
        (("run", "missing", "--core", "4000"), 4),
        (("run", "missing", "--processes", "0"), 2),
        (("run", "missing", "--seconds", "nan"), 2),
        (("run", "missing", "--max-noise", "0"), 2),
        (("compare", "missing", "other"), 2),
    ],
)
def test_wrong_arguments_end_with_their_code(
    arguments: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finished = bench(*arguments)
    assert finished.code == code
    assert "Traceback" not in finished.err
    assert list(tmp_path.iterdir()) == []


def test_a_core_that_does_not_exist_is_refused(bundles: Callable[[str], Path]) -> None:
    finished = bench("run", bundles("small"), "--core", 4000)
    assert finished.code == 2
    assert "--core 4000" in finished.err


def test_two_bundles_are_compared(bundles: Callable[[str], Path]) -> None:
    finished = bench("compare", bundles("small"), bundles("large"), *QUICK, "--json")
    assert finished.code == 0, finished.err
    (found,) = json.loads(finished.out)["comparisons"]
    assert (found["a"], found["b"]) == ("small", "large")
    assert found["paired"]
    assert found["between_processes"]
    assert found["processes"] == 3
    assert 0 < found["ratio"] < 1


def test_a_bundle_that_does_not_run_cannot_be_compared(bundles: Callable[[str], Path]) -> None:
    finished = bench("compare", bundles("small"), bundles("broken"), *QUICK)
    assert finished.code == 4
    assert "broken: the runtime cannot load" in finished.err


def test_reports_are_compared_row_by_row(bundles: Callable[[str], Path], tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    for path, factor in ((one, 1), (two, 2)):
        samples = {"a": [100] * 9, "b": [factor * 100] * 9}
        run = run_of_rows([c.row for c in named("a", "b")], samples)
        write_report(Report(SCHEMA_VERSION, (run,)), path)
    finished = bench("compare", two, one)
    assert finished.code == 0, finished.err
    first, second = [line for line in finished.out.splitlines() if " times as long" in line]
    assert first.startswith("no difference between a and a: ")
    assert second.startswith("b is slower than b: b takes 2.000 (2.000 to 2.000) times as long")
    assert "warning: separate runs" in finished.out
    faster = json.loads(bench("compare", one, two, "--json").out)["comparisons"][1]
    assert (faster["verdict"], faster["paired"]) == ("faster", False)
    assert faster["interval"][0] <= faster["ratio"] <= faster["interval"][1] < 1
    mixed = bench("compare", one, bundles("small"))
    assert (mixed.code, "two bundles or two reports" in mixed.err) == (2, True)


def test_a_killed_run_continues_where_it_stopped(
    bundles: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    options = ["--seconds", "0.05", "--processes", "20", "--output", str(path)]
    command = [sys.executable, "-m", "benchmarks.cli", "run", str(bundles("small")), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (path.exists() and _cold_starts(path) >= 2):
            time.sleep(0.05)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    (killed,) = read_report(path).runs
    (row,) = rows_of(killed).values()
    assert 2 <= len(row.cold_starts) < 20
    group = bundle_group([bundles("small")], "run")
    launcher = Launcher(fail=lambda job, n: ("enough", 0) if job.task == "measure" else None)
    monkeypatch.setattr(launcher, "_measure", lambda *arguments: None)
    core = killed.affinity.asked[0] if killed.affinity.asked else None
    rest = plan(groups=(group,), processes=20, seconds=0.05, core=core)
    run = carry_out(rest, launcher, killed)
    tasks = [job.task for job in launcher.jobs]
    assert tasks == ["cold_start"] * (20 - len(row.cold_starts)) + ["measure"]
    assert rows_of(run)["small"].cold_starts[: len(row.cold_starts)] == row.cold_starts


def _cold_starts(path: Path) -> int:
    (row,) = rows_of(read_report(path).runs[0]).values()
    return len(row.cold_starts)


def test_an_interrupted_run_says_what_it_has_and_how_to_continue(
    bundles: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(plan_: MeasurementPlan, environment: Environment, previous: object) -> Run:
        environment.save(carry_out(plan()))
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "run_plan", interrupted)
    path = tmp_path / "report.json"
    finished = bench("run", bundles("small"), "--output", path)
    assert finished.code == 130
    assert "--resume continues" in finished.err
    assert read_report(path).runs


def test_folders_of_the_same_name_are_numbered(exported: Path, tmp_path: Path) -> None:
    paths = [make_bundle(exported, tmp_path / p / "model\x1b", onnx_model(2)) for p in "ab"]
    assert [c.row.id for c in bundle_group(paths, "run").candidates] == ["model?", "model? (2)"]
