"""How often the interval of a ratio covers the true one, and how often a difference is found.

    python -m tools.studies.coverage
    python -m tools.studies.coverage --bundle BUNDLE --output FILE
    python -m tools.studies.coverage --report FILE

The first simulates samples by several noise models. The second measures a bundle against itself in
many short processes; the third reads the report of such a run. A trial compares the samples of a
few processes, and every method sees the same trials. It passes if it finds no difference where
there is none; the last column is the share of trials that find a real difference of 3 %.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
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
from mobilevit_edge.arguments import whole_number
from mobilevit_edge.console import run_command
from mobilevit_edge.formats.report import LatencyRow, Run, read_report
from mobilevit_edge.terminal import PlainConsole
from tools.command import tool_parser

Trial: TypeAlias = tuple[list[Array], list[Array]]
"""Samples of A and of B in each process."""
Interval: TypeAlias = tuple[float, float]

PROCESSES: Final = (3, 5, 10)
EFFECT: Final = 1.03
_BOOTSTRAP: Final = 200
_ROUNDS: Final = 200
_MEDIAN_NS: Final = 5e6


@dataclass(frozen=True)
class NoiseModel:
    """What makes samples differ: standard deviations as shares of the median.

    Attributes:
        noise: of each sample, independently.
        drift: of a slow change in the ratio of the two within a process.
        process: of the ratio of the two from process to process.
        spikes: share of the samples that take much longer.
    """

    noise: float = 0.02
    drift: float = 0.0
    process: float = 0.0
    spikes: float = 0.05


NOISE_MODELS: Final[Mapping[str, NoiseModel]] = {
    "independent": NoiseModel(),
    "drift 2 %": NoiseModel(drift=0.02),
    "processes 0.5 %": NoiseModel(process=0.005),
    "both": NoiseModel(drift=0.02, process=0.005),
    "busy": NoiseModel(noise=0.1, drift=0.02, process=0.01, spikes=0.2),
}


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--bundle", type=Path, help="measure this against itself")
    source.add_argument("--report", type=Path, metavar="FILE", help="of an earlier --bundle")
    parser.add_argument("--output", type=Path, default=Path("coverage.json"), metavar="FILE")
    parser.add_argument(
        "--processes",
        type=whole_number(PROCESSES[0]),
        default=300,
        help="with --bundle (default 300)",
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="of each (default 0.5)")
    parser.add_argument(
        "--trials", type=whole_number(1), default=200, help="simulated (default 200)"
    )
    return parser


def command(arguments: Namespace) -> None:
    """Print the rates."""
    if arguments.bundle is not None:
        settings = arguments.processes, arguments.seconds, arguments.output
        rates = _measured(measure_against_itself(arguments.bundle, *settings))
    elif arguments.report is not None:
        rates = _measured(read_report(arguments.report).runs[0])
    else:
        rates = _simulated(arguments.trials)
    table = Table(title="share of trials with no difference found where there is none")
    for heading in ("samples", "processes", "trials", *METHODS, "our verdict", "3 % found"):
        table.add_column(heading, justify="left" if heading == "samples" else "right")
    for name, processes, one in rates:
        shares = [*one.same.values(), one.verdict_same, one.found]
        table.add_row(name, str(processes), str(one.trials), *(f"{s:.1%}" for s in shares))
    PlainConsole(width=140).print(table)


def simulate(
    model: NoiseModel, processes: int, rng: np.random.Generator, effect: float = 1.0
) -> Trial:
    """One interleaved measurement; B takes ``effect`` times as long as A."""
    sides: Trial = ([], [])
    for _ in range(processes):
        common = np.cumsum(rng.normal(0, 0.003, _ROUNDS))
        own = rng.normal(0, model.process) + _autoregressive(model.drift, rng) + np.log(effect)
        for side, shift in zip(sides, (np.zeros(_ROUNDS), own), strict=True):
            spikes = rng.exponential(0.2, _ROUNDS) * (rng.random(_ROUNDS) < model.spikes)
            logs = common + shift + rng.normal(0, model.noise, _ROUNDS) + spikes
            side.append(_MEDIAN_NS * np.exp(logs))
    return sides


def _autoregressive(spread: float, rng: np.random.Generator, memory: float = 0.98) -> Array:
    """A first-order autoregressive series around zero, one value per round."""
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


def our_interval(trial: Trial, rng: np.random.Generator) -> Interval:
    """Ours, without the margin around 1 that the verdict adds."""
    ratio = paired_ratio(*trial)
    return ratio.low, ratio.high


METHODS: Final[Mapping[str, Callable[[Trial, np.random.Generator], Interval]]] = {
    "independent rounds": independent_rounds,
    "hierarchical bootstrap": hierarchical,
    "our interval": our_interval,
}


@dataclass(frozen=True)
class Rates:
    """Shares of trials with the right result.

    Attributes:
        trials: their number.
        same: no difference found where there is none, by each of ``METHODS``.
        verdict_same: the same by our verdict.
        found: a difference of 3 % found by our verdict.
    """

    trials: int
    same: Mapping[str, float]
    verdict_same: float
    found: float


def rate(same: Sequence[Trial], different: Sequence[Trial], rng: np.random.Generator) -> Rates:
    """The rates of trials without a difference, and of trials with one."""
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


def simulated_rates(model: NoiseModel, processes: int, trials: int, seed: int = 0) -> Rates:
    """The rates under a noise model."""
    rng = np.random.default_rng(seed)
    return rate(
        [simulate(model, processes, rng) for _ in range(trials)],
        [simulate(model, processes, rng, EFFECT) for _ in range(trials)],
        rng,
    )


def measured_trials(run: Run, processes: int, effect: float = 1.0) -> Iterator[Trial]:
    """Trials of consecutive processes from a bundle measured against itself.

    Args:
        run: has two rows.
        processes: in each trial; every process is used once.
        effect: factor on B's samples.
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
        groups=(bundle_group([bundle, bundle], "coverage"),),
        processes=processes,
        seconds=seconds,
        seed=0,
        core=default_core(),
        max_noise=None,
        cold_starts=False,
        profile=False,
    )
    return measure(plan, output, resume=True)


def _simulated(trials: int) -> Iterator[tuple[str, int, Rates]]:
    for name, model in NOISE_MODELS.items():
        for processes in PROCESSES:
            yield name, processes, simulated_rates(model, processes, trials)


def _measured(run: Run) -> Iterator[tuple[str, int, Rates]]:
    rng = np.random.default_rng(0)
    for processes in PROCESSES:
        same, different = (list(measured_trials(run, processes, e)) for e in (1.0, EFFECT))
        if same:
            yield "measured", processes, rate(same, different, rng)


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
