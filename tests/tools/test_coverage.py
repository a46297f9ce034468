"""The trials of the verdict: two runs of one thing are called no different."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.analysis.statistics import paired_ratio
from tests.support.benchmarks import Launcher, carry_out, named, plan
from tools.studies.coverage import EFFECT, WORLDS, measured_trials, simulate

TRIALS = 100


@pytest.mark.parametrize("processes", [3, 10])
@pytest.mark.parametrize("world", WORLDS)
def test_at_least_95_of_100_trials_find_no_difference_where_there_is_none(
    world: str, processes: int
) -> None:
    rng = np.random.default_rng(20260)
    verdicts = [
        paired_ratio(*simulate(WORLDS[world], processes, rng)).verdict for _ in range(TRIALS)
    ]
    assert verdicts.count("no difference") >= 95


@pytest.mark.parametrize("world", ["independent", "processes 0.5 %"])
def test_three_percent_are_found_where_the_machine_allows_it(world: str) -> None:
    rng = np.random.default_rng(20260)
    trials = [simulate(WORLDS[world], 5, rng, EFFECT) for _ in range(TRIALS)]
    assert [paired_ratio(*trial).verdict for trial in trials].count("faster") >= 95


def test_measured_processes_are_used_once_each() -> None:
    launcher = Launcher(samples=lambda name, process: [100 + process] * 3)
    run = carry_out(plan(*named("a", "b"), processes=7, cold_starts=False), launcher)
    trials = list(measured_trials(run, 3, effect=2.0))
    assert [[part[0] for part in a] for a, _ in trials] == [[100, 101, 102], [103, 104, 105]]
    assert [[part[0] for part in b] for _, b in trials] == [[200, 202, 204], [206, 208, 210]]
