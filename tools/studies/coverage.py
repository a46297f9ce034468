"""How often two runs of one thing are called different: the evidence for the interval.

    python -m tools.studies.coverage
    python -m tools.studies.coverage --bundle BUNDLE --output FILE
    python -m tools.studies.coverage --report FILE

The first draws samples from models of what machines do. The second measures a bundle against
itself in many short processes and keeps them; the third takes such a report, and makes trials of a
few processes each out of it. Every method sees the same trials. A trial passes if it finds no
difference where there is none; the last column is how often a real one of 3 % is found.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from rich.table import Table

from benchmarks.analysis.statistics import Array, Ratio, paired_ratio
from benchmarks.commands.measuring import measure
from benchmarks.harness.machine import default_core
from benchmarks.harness.plan import MeasurementPlan
from benchmarks.workloads.bundles import bundle_group
from converters.text import PlainConsole
from mobilevit_edge.formats.report import LatencyRow, Run, read_report

Trial: TypeAlias = tuple[list[Array], list[Array]]
"""Samples of A and of B in each process."""
Interval: TypeAlias = tuple[float, float]

PROCESSES: Final = (3, 5, 10)
EFFECT: Final = 1.03
_TRIALS: Final = 200
_BOOTSTRAP: Final = 200
_ROUNDS: Final = 200
_MEDIAN_NS: Final = 5e6


@dataclass(frozen=True)
class World:
    """What makes samples differ, as shares of the median.

    Attributes:
        noise: of each sample, on its own.
        drift: slow change in the ratio of the two within a process.
        process: luck of each process with the ratio of the two.
        spikes: how often a sample takes much longer.
    """

    noise: float = 0.02
    drift: float = 0.0
    process: float = 0.0
    spikes: float = 0.05


WORLDS: Final[Mapping[str, World]] = {
    "independent": World(),
    "drift 2 %": World(drift=0.02),
    "processes 0.5 %": World(process=0.005),
    "both": World(drift=0.02, process=0.005),
    "busy": World(noise=0.1, drift=0.02, process=0.01, spikes=0.2),
}


def simulate(world: World, processes: int, rng: np.random.Generator, effect: float = 1.0) -> Trial:
    """One interleaved measurement; B takes ``effect`` times as long as A."""
    sides: Trial = ([], [])
    for _ in range(processes):
        common = np.cumsum(rng.normal(0, 0.003, _ROUNDS))
        own = rng.normal(0, world.process) + _autoregressive(world.drift, rng) + np.log(effect)
        for side, shift in zip(sides, (np.zeros(_ROUNDS), own), strict=True):
            spikes = rng.exponential(0.2, _ROUNDS) * (rng.random(_ROUNDS) < world.spikes)
            logs = common + shift + rng.normal(0, world.noise, _ROUNDS) + spikes
            side.append(_MEDIAN_NS * np.exp(logs))
    return sides


def _autoregressive(spread: float, rng: np.random.Generator, memory: float = 0.98) -> Array:
    """A wandering value around zero that forgets 2 % of itself each round."""
    values = np.empty(_ROUNDS)
    values[0] = rng.normal(0, 1)
    steps = rng.normal(0, np.sqrt(1 - memory**2), _ROUNDS)
    for i in range(1, _ROUNDS):
        values[i] = memory * values[i - 1] + steps[i]
    return spread * values


def independent_rounds(trial: Trial, rng: np.random.Generator) -> Interval:
    """Bootstrap of the rounds of all processes as if they were independent."""
    logs = np.concatenate(_log_ratios(trial))
    medians = np.median(rng.choice(logs, (_BOOTSTRAP, logs.size)), axis=1)
    return _quantiles(medians)


def hierarchical(trial: Trial, rng: np.random.Generator) -> Interval:
    """Bootstrap of processes, then of rounds within each."""
    parts = _log_ratios(trial)
    medians = [
        np.median(np.concatenate([rng.choice(parts[p], parts[p].size) for p in drawn]))
        for drawn in rng.integers(0, len(parts), (_BOOTSTRAP, len(parts)))
    ]
    return _quantiles(np.array(medians))


def _log_ratios(trial: Trial) -> list[Array]:
    return [np.log(a) - np.log(b) for a, b in zip(*trial, strict=True)]


def _quantiles(medians: Array) -> Interval:
    low, high = np.quantile(medians, (0.025, 0.975))
    return float(np.exp(low)), float(np.exp(high))


def interval_alone(trial: Trial, rng: np.random.Generator) -> Interval:
    """Ours, without the margin around 1."""
    ratio = paired_ratio(*trial)
    return ratio.low, ratio.high


METHODS: Final[Mapping[str, Callable[[Trial, np.random.Generator], Interval]]] = {
    "independent rounds": independent_rounds,
    "hierarchical bootstrap": hierarchical,
    "ours, interval alone": interval_alone,
}


@dataclass(frozen=True)
class Rates:
    """Shares of trials: same called same by each of METHODS and by the verdict; 3 % found by it."""

    trials: int
    same: Mapping[str, float]
    verdict_same: float
    found: float


def rate(same: Sequence[Trial], different: Sequence[Trial], rng: np.random.Generator) -> Rates:
    """Judge trials without a difference, and trials with one."""
    return Rates(
        trials=len(same),
        same={
            name: float(np.mean([low <= 1 <= high for low, high in (m(t, rng) for t in same)]))
            for name, m in METHODS.items()
        },
        verdict_same=_share(same, lambda ratio: ratio.verdict == "no difference"),
        found=_share(different, lambda ratio: ratio.verdict == "faster"),
    )


def _share(trials: Sequence[Trial], passes: Callable[[Ratio], bool]) -> float:
    return float(np.mean([passes(paired_ratio(*trial)) for trial in trials]))


def simulated_rates(world: World, processes: int, trials: int, seed: int = 0) -> Rates:
    """Rates in a made-up world."""
    rng = np.random.default_rng(seed)
    return rate(
        [simulate(world, processes, rng) for _ in range(trials)],
        [simulate(world, processes, rng, EFFECT) for _ in range(trials)],
        rng,
    )


def measured_trials(run: Run, processes: int, effect: float = 1.0) -> Iterator[Trial]:
    """Trials of consecutive processes from a bundle measured against itself.

    Args:
        run: of two rows.
        processes: for each trial; every process is used once.
        effect: what B's samples are multiplied by.
    """
    a, b = (row for row in run.rows if isinstance(row, LatencyRow))
    pairs = [
        (np.array(x.samples_ns, float), effect * np.array(y.samples_ns, float))
        for x, y in zip(a.series, b.series, strict=True)
    ]
    for start in range(0, len(pairs) - processes + 1, processes):
        chosen = pairs[start : start + processes]
        yield [x for x, _ in chosen], [y for _, y in chosen]


def measure_against_itself(bundle: Path, processes: int, seconds: float, output: Path) -> Run:
    """A bundle twice, interleaved, in many short processes."""
    plan = MeasurementPlan(
        groups=(bundle_group([bundle, bundle], "trials"),),
        processes=processes,
        seconds=seconds,
        seed=0,
        core=default_core(),
        max_noise=None,
        cold_starts=False,
        profile=False,
    )
    return measure(plan, output, resume=True)


def _simulated() -> Iterator[tuple[str, int, Rates]]:
    for name, world in WORLDS.items():
        for processes in PROCESSES:
            yield name, processes, simulated_rates(world, processes, _TRIALS)


def _measured(run: Run) -> Iterator[tuple[str, int, Rates]]:
    rng = np.random.default_rng(0)
    for processes in PROCESSES:
        same, different = (list(measured_trials(run, processes, e)) for e in (1.0, EFFECT))
        if same:
            yield "measured", processes, rate(same, different, rng)


def main() -> None:
    """Print the rates."""
    parser = ArgumentParser(description="How often two runs of one thing are called different.")
    parser.add_argument("--bundle", type=Path, help="measure this against itself")
    parser.add_argument("--output", type=Path, default=Path("trials.json"), metavar="FILE")
    parser.add_argument("--processes", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--report", type=Path, metavar="FILE", help="of an earlier --bundle")
    arguments = parser.parse_args()
    if arguments.bundle is not None:
        settings = arguments.processes, arguments.seconds, arguments.output
        rates = _measured(measure_against_itself(arguments.bundle, *settings))
    elif arguments.report is not None:
        rates = _measured(read_report(arguments.report).runs[0])
    else:
        rates = _simulated()
    table = Table(title="share of trials with no difference found where there is none")
    for heading in ("samples", "processes", "trials", *METHODS, "our verdict", "3 % found"):
        table.add_column(heading, justify="left" if heading == "samples" else "right")
    for name, processes, one in rates:
        shares = [*one.same.values(), one.verdict_same, one.found]
        table.add_row(name, str(processes), str(one.trials), *(f"{s:.1%}" for s in shares))
    PlainConsole(width=140).print(table)


if __name__ == "__main__":
    main()
