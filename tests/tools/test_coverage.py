"""The coverage of the verdict: two runs of one thing are called no different."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.analysis.statistics import paired_ratio
from tests.support.benchmarks import Launcher, carry_out, named, plan
from tests.support.tools import run_tool, table_rows
from tools.studies import coverage
from tools.studies.coverage import (
    EFFECT,
    NOISE_MODELS,
    measured_trials,
    rate,
    simulate,
    simulated_rates,
)

TRIALS = 100


@pytest.mark.parametrize("processes", [3, 10])
@pytest.mark.parametrize("model", NOISE_MODELS)
def test_at_least_95_of_100_trials_find_no_difference_where_there_is_none(
    model: str, processes: int
) -> None:
    rng = np.random.default_rng(20260)
    verdicts = [
        paired_ratio(*simulate(NOISE_MODELS[model], processes, rng)).verdict for _ in range(TRIALS)
    ]
    assert verdicts.count("no difference") >= 95


@pytest.mark.parametrize("model", ["independent", "processes 0.5 %"])
def test_three_percent_are_found_where_the_machine_allows_it(model: str) -> None:
    rng = np.random.default_rng(20260)
    trials = [simulate(NOISE_MODELS[model], 5, rng, EFFECT) for _ in range(TRIALS)]
    assert [paired_ratio(*trial).verdict for trial in trials].count("faster") >= 95


def test_measured_processes_are_used_once_each() -> None:
    launcher = Launcher(samples=lambda name, process: [100 + process] * 3)
    run = carry_out(plan(*named("a", "b"), processes=7, cold_starts=False), launcher)
    trials = list(measured_trials(run, 3, effect=2.0))
    assert [[part[0] for part in a] for a, _ in trials] == [[100, 101, 102], [103, 104, 105]]
    assert [[part[0] for part in b] for _, b in trials] == [[200, 202, 204], [206, 208, 210]]


def test_methods_and_verdict_tell_same_from_different() -> None:
    rng = np.random.default_rng(20260)
    a = [rng.normal(100, 1, 50) for _ in range(5)]
    same, different = (a, a), (a, [2 * samples for samples in a])
    right = rate([same], [different], rng)
    assert (set(right.same.values()), right.verdict_same, right.found) == ({1.0}, 1.0, 1.0)
    wrong = rate([different], [same], rng)
    assert (set(wrong.same.values()), wrong.verdict_same, wrong.found) == ({0.0}, 0.0, 0.0)


def test_every_noise_model_has_its_rates_in_the_table() -> None:
    finished = run_tool(coverage, "--trials", 2)
    assert finished.code == 0, finished.err
    rows = table_rows(finished.out)
    expected = [[name, str(n), "2"] for name in NOISE_MODELS for n in coverage.PROCESSES]
    assert [row[:3] for row in rows] == expected
    one = simulated_rates(NOISE_MODELS["busy"], 10, 2)
    assert rows[-1][3:] == [f"{s:.1%}" for s in (*one.same.values(), one.verdict_same, one.found)]


def test_a_bundle_against_itself_is_measured_and_its_report_read_again(
    exported: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    quick = ("--processes", 4, "--seconds", 0.02, "--output", report)
    measured = run_tool(coverage, "--bundle", exported, *quick)
    assert measured.code == 0, measured.err
    # Of four processes, three make a trial.
    (row,) = table_rows(measured.out)
    assert row[:3] == ["measured", "3", "1"]
    assert run_tool(coverage, "--report", report).out == measured.out
