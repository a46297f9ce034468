"""What a rendered report holds, as plain data; Markdown and HTML only lay it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.analysis.comparison import summarize_row
from benchmarks.analysis.quality_flags import usable_series
from benchmarks.analysis.statistics import outliers
from benchmarks.analysis.warnings import run_warnings
from benchmarks.output.charts import Bar, Chart, SampleStrip, ScatterPoint
from benchmarks.output.experiments import (
    INSTRUCTION_COUNTS,
    OTHER,
    SIMULATIONS,
    Experiment,
    experiment_of,
)
from benchmarks.output.table import Table
from mobilevit_edge.formats.report import InstructionRow, LatencyRow, Report, Run, SimulationRow

METHOD: Final = (
    "Median, 90th percentile and the 95 % interval of the median are computed from the raw samples "
    "in this report. Rows of one group took turns on the same core, so ratios within a group hold "
    "even where the machine's speed drifts; times of different runs do not compare. Noise is the "
    "larger of the spread within a process and between processes. Nothing was dropped: outliers "
    "are marked, and warnings are listed below the tables."
)
_MEGA: Final = 1e6
_STRIP_SAMPLES: Final = 100


@dataclass(frozen=True)
class Section:
    """One experiment of one run."""

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    warnings: tuple[str, ...]
    headline: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()
    strips: tuple[SampleStrip, ...] = ()
    charts: tuple[Chart, ...] = ()
    scatter: tuple[ScatterPoint, ...] = ()


def sections_of(report: Report, budget_ms: float | None = None) -> tuple[Section, ...]:
    """Every experiment of every run, in order; ``budget_ms`` is what headlines choose by."""
    sections = []
    for run in report.runs:
        for experiment in dict.fromkeys(row.experiment for row in run.rows):
            rows = [row for row in run.rows if row.experiment == experiment]
            latency = [row for row in rows if isinstance(row, LatencyRow)]
            counts = [row for row in rows if isinstance(row, InstructionRow)]
            shown = experiment_of(experiment)
            for how, fitting in (
                (shown, [row for row in latency if shown.fits(row)]),
                (OTHER, [row for row in latency if not shown.fits(row)]),
            ):
                if fitting:
                    sections.append(_latency_section(run, experiment, how, fitting, budget_ms))
            if counts:
                title = "executed instructions, not a latency"
                sections.append(_cost_section(run, experiment, title, INSTRUCTION_COUNTS, counts))
            simulated = [row for row in rows if isinstance(row, SimulationRow)]
            if simulated:
                title = "simulated for an NPU, not a latency"
                sections.append(_cost_section(run, experiment, title, SIMULATIONS, simulated))
    return tuple(sections)


def _latency_section(
    run: Run,
    experiment: str,
    shown: Experiment,
    rows: Sequence[LatencyRow],
    budget_ms: float | None,
) -> Section:
    only = replace(run, rows=tuple(rows))
    return Section(
        title=f"{experiment} on {run.device.name}",
        facts=_facts(run),
        tables=shown.tables(only),
        warnings=tuple(run_warnings(run, rows)),
        headline=shown.headline(only, budget_ms),
        bars=shown.bars(only),
        strips=tuple(strip for row in rows if (strip := _strip(row)) is not None),
        charts=shown.charts(only),
        scatter=shown.scatter(only),
    )


def _cost_section(
    run: Run,
    experiment: str,
    title: str,
    shown: Experiment,
    rows: Sequence[InstructionRow | SimulationRow],
) -> Section:
    return Section(
        title=f"{experiment} on {run.device.name}: {title}",
        facts=_facts(run),
        tables=shown.tables(replace(run, rows=tuple(rows))),
        warnings=tuple(f"{row.id}: not run: {row.not_run}" for row in rows if row.not_run),
    )


def _strip(row: LatencyRow) -> SampleStrip | None:
    summary = summarize_row(row)
    if summary is None:
        return None
    samples = [ns for series in usable_series(row) for ns in series.samples_ns]
    marks = [bool(m) for series in usable_series(row) for m in outliers(series.samples_ns)]
    # Evenly spread over the run: a page with every sample of a long run would not open.
    step = max(1, -(-len(samples) // _STRIP_SAMPLES))
    return SampleStrip(
        name=row.id,
        samples=tuple(ns / _MEGA for ns in samples[::step]),
        outlier=tuple(marks[::step]),
        low=summary.low / _MEGA,
        median=summary.median / _MEGA,
        high=summary.high / _MEGA,
    )


def _facts(run: Run) -> tuple[tuple[str, str], ...]:
    cores = run.affinity.in_effect
    protocol = run.protocol
    facts = {
        "device": f"{run.device.name} ({run.device.kind}), {run.device.processor}",
        "system": f"{run.system.name} {run.system.version}",
        "core": "not pinned" if cores is None else ", ".join(map(str, cores)),
        "measured": f"{run.created}, by {run.tool.name} {run.tool.version}",
        "processes": str(protocol.processes),
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    return tuple((name, value) for name, value in facts.items() if value)
