"""What a rendered report holds, as plain data; Markdown and HTML only put it on paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.analysis.comparison import summarize_row
from benchmarks.analysis.quality_flags import usable_series
from benchmarks.analysis.statistics import outliers
from benchmarks.analysis.warnings import doubts
from benchmarks.arm.rows import arm_table
from benchmarks.output.attention import attention_tables
from benchmarks.output.blocks import blocks_tables
from benchmarks.output.models import choices, growth, models_tables
from benchmarks.output.run import run_tables
from benchmarks.output.table import Table
from benchmarks.workloads import attention, blocks, models
from mobilevit_edge.formats.report import InstructionRow, LatencyRow, Report, Run
from mobilevit_edge.specs import ATTENTIONS

METHOD = (
    "Median, 90th percentile and the 95 % interval of the median are of the raw samples, which are "
    "in this report. Rows of one group took turns on the same core, so ratios within a group hold "
    "where the machine's speed drifts; times of different runs do not compare. Noise is the larger "
    "of the spread within a process and between processes. Nothing was dropped: outliers are "
    "marked, and doubts are listed under the table."
)
_MEGA = 1e6
_DOTS = 200


@dataclass(frozen=True)
class Strip:
    """The samples of one row in milliseconds; ``outlier`` marks those beyond the usual."""

    name: str
    dots: tuple[float, ...]
    outlier: tuple[bool, ...]
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Curve:
    """Points of (x, milliseconds)."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """Milliseconds against something, both axes logarithmic."""

    title: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Dot:
    """A row to choose: ``x`` milliseconds, ``y`` percent; ``label`` is its model."""

    name: str
    label: str
    x: float
    y: float
    best: bool


@dataclass(frozen=True)
class Section:
    """One experiment of one run."""

    title: str
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    strips: tuple[Strip, ...]
    charts: tuple[Chart, ...]
    dots: tuple[Dot, ...]
    doubts: tuple[str, ...]


def sections_of(report: Report) -> tuple[Section, ...]:
    """Every experiment of every run, in order."""
    sections = []
    for run in report.runs:
        for experiment in dict.fromkeys(row.experiment for row in run.rows):
            rows = [row for row in run.rows if row.experiment == experiment]
            latency = [row for row in rows if isinstance(row, LatencyRow)]
            counts = [row for row in rows if isinstance(row, InstructionRow)]
            if latency:
                sections.append(_latency_section(run, experiment, latency))
            if counts:
                sections.append(_count_section(run, experiment, counts))
    return tuple(sections)


def _latency_section(run: Run, experiment: str, rows: Sequence[LatencyRow]) -> Section:
    return Section(
        title=f"{experiment} on {run.device.name}",
        facts=_facts(run),
        tables=_tables(run, experiment, rows),
        strips=tuple(strip for row in rows if (strip := _strip(row)) is not None),
        charts=_charts(experiment, rows),
        dots=_dots(experiment, rows),
        doubts=tuple(doubts(run, rows)),
    )


def _tables(run: Run, experiment: str, rows: Sequence[LatencyRow]) -> tuple[Table, ...]:
    """Those of the experiment, or one of all rows."""
    only = replace(run, rows=tuple(rows))
    match experiment:
        case attention.EXPERIMENT:
            return attention_tables(only)
        case blocks.EXPERIMENT:
            return blocks_tables(only)
        case models.EXPERIMENT:
            return models_tables(only, None)
        case _:
            return run_tables(only)


def _count_section(run: Run, experiment: str, rows: Sequence[InstructionRow]) -> Section:
    return Section(
        title=f"{experiment} on {run.device.name}: executed instructions, no latency",
        facts=_facts(run),
        tables=(arm_table(rows),),
        strips=(),
        charts=(),
        dots=(),
        doubts=tuple(f"{row.id}: not run: {row.not_run}" for row in rows if row.not_run),
    )


def _strip(row: LatencyRow) -> Strip | None:
    summary = summarize_row(row)
    if summary is None:
        return None
    samples = [ns for series in usable_series(row) for ns in series.samples_ns]
    marks = [bool(m) for series in usable_series(row) for m in outliers(series.samples_ns)]
    # Evenly spread over the run: a page with every dot of a long run would not open.
    step = max(1, -(-len(samples) // _DOTS))
    return Strip(
        name=row.id,
        dots=tuple(ns / _MEGA for ns in samples[::step]),
        outlier=tuple(marks[::step]),
        low=summary.low / _MEGA,
        median=summary.median / _MEGA,
        high=summary.high / _MEGA,
    )


def _charts(experiment: str, rows: Sequence[LatencyRow]) -> tuple[Chart, ...]:
    match experiment:
        case attention.EXPERIMENT:
            return _attention_charts(rows)
        case models.EXPERIMENT:
            return _growth_charts(rows)
        case _:
            return ()


def _attention_charts(rows: Sequence[LatencyRow]) -> tuple[Chart, ...]:
    curves = []
    for kind in ATTENTIONS:
        points = sorted(
            (int(row.subject.attributes["tokens"]), summary.median / _MEGA)
            for row in rows
            if row.subject.attributes.get("attention") == kind
            and "tokens" in row.subject.attributes
            and (summary := summarize_row(row)) is not None
        )
        e = attention.fitted_exponent([x for x, _ in points], [y for _, y in points])
        if points:
            curves.append(Curve(kind if e is None else f"{kind}, k^{e:.2f}", tuple(points)))
    title = "Medians against the number of tokens k; k^e is fitted over the upper half"
    return (Chart(title, tuple(curves)),) if curves else ()


def _growth_charts(rows: Sequence[LatencyRow]) -> tuple[Chart, ...]:
    found = growth(rows)
    charts = []
    for axis in dict.fromkeys(axis for _, axis, _ in found):
        curves = tuple(
            Curve(name, tuple((x, summary.median / _MEGA) for x, summary in points))
            for name, kind, points in found
            if kind == axis
        )
        charts.append(Chart(f"Medians against the number of {axis}", curves))
    return tuple(charts)


def _dots(experiment: str, rows: Sequence[LatencyRow]) -> tuple[Dot, ...]:
    if experiment != models.EXPERIMENT:
        return ()
    return tuple(Dot(c.row_id, c.model, c.median_ms, c.top1, c.best) for c in choices(rows))


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
