"""What ``mobilevit-bench run`` shows, and reports of any other rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from benchmarks.analysis.comparison import compare_in_run, summarize_row
from benchmarks.analysis.quality_flags import usable_series
from benchmarks.analysis.statistics import Ratio
from benchmarks.analysis.warnings import row_warnings
from benchmarks.output.summaries import (
    latency_rows,
    median_of,
    ratio_summary,
    row_summary,
    runtime_name,
)
from benchmarks.output.table import Table
from mobilevit_edge.formats.report import LatencyRow, OperatorTime, Run, SimulationRow

_MEGA: Final = 1e6
_OPERATORS_SHOWN: Final = 12
_COLUMNS: Final = (
    "row",
    "runtime",
    "precision",
    "median",
    "95 %",
    "p90",
    "noise",
    "file",
    "load",
    "first",
    "peak memory",
    "top-1",
    "against its group's first",
)


def run_tables(run: Run) -> tuple[Table, ...]:
    """All rows, then the operators of each that was profiled."""
    rows = latency_rows(run)
    firsts: dict[str, LatencyRow] = {}
    for row in rows:
        for group in _groups(row):
            firsts.setdefault(group, row)
    table = Table(
        title=f"{run.device.processor}, one thread; milliseconds, megabytes",
        columns=_COLUMNS,
        rows=tuple(_cells(row, _against_first(row, firsts)) for row in rows),
        caption="load, first inference: in fresh processes, file in the system's cache; peak "
        "memory: the whole process, with Python and the runtime; !: see the warnings below",
    )
    profiles = (profile for row in rows for profile in profile_tables(row))
    return (table, *profiles)


def run_summary(run: Run) -> dict[str, Any]:
    """The same as plain data: figures in nanoseconds, bytes and shares."""
    rows = latency_rows(run)
    ratios = [compare_in_run(row, rows[0]) if row is not rows[0] else None for row in rows]
    return {
        "flags": [flag.reason for flag in run.flags],
        "rows": [
            {**row_summary(row), "against_first": ratio_summary(ratio) if ratio else None}
            for row, ratio in zip(rows, ratios, strict=True)
        ],
    }


def _groups(row: LatencyRow) -> list[str]:
    return [series.group for series in usable_series(row) if series.group is not None]


def _against_first(row: LatencyRow, firsts: dict[str, LatencyRow]) -> Ratio | None:
    first = next((firsts[group] for group in _groups(row)), row)
    return None if first is row else compare_in_run(row, first)


def _cells(row: LatencyRow, ratio: Ratio | None) -> tuple[str, ...]:
    about, summary = row.subject, summarize_row(row)
    names = (row.id, runtime_name(row), about.precision or "-")
    if summary is None:
        missing = len(_COLUMNS) - len(names) - 1
        return (*names, "not run" if row.not_run else "no samples", *["-"] * missing)
    return (
        *names,
        f"{summary.median / _MEGA:.3f}{' !' if row_warnings(row) else ''}",
        f"{summary.low / _MEGA:.3f} to {summary.high / _MEGA:.3f}",
        f"{summary.p90 / _MEGA:.3f}",
        f"{summary.noise:.1%}",
        _figure(about.artifact.bytes if about.artifact else None, 1),
        _figure(median_of(row.cold_starts, "load_ns"), 1),
        _figure(median_of(row.cold_starts, "first_inference_ns"), 1),
        _figure(median_of(row.cold_starts, "peak_memory_bytes"), 0),
        f"{about.top1.percent:.1f} %" if about.top1 else "-",
        f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f}) {ratio.verdict}"
        if ratio
        else "-",
    )


def profile_tables(row: LatencyRow | SimulationRow) -> Iterator[Table]:
    """Time by kind of operator, and by block if the operators name theirs."""
    profile = row.profile
    if profile is None:
        return
    title = f"{row.id}, {profile.source}, {profile.inferences} inferences"
    if not profile.operators:
        yield Table(title, ("operator",), (), profile.note or "the profiler reported nothing")
        return
    kinds = [operator.kind for operator in profile.operators]
    modules = [_block(operator.module) for operator in profile.operators]
    for heading, names in (("operator", kinds), ("block", modules)):
        if any(names):
            cells = _shares(names, profile.operators, profile.inferences)
            columns = (heading, "calls", "ms per inference", "share")
            yield Table(title, columns, cells, profile.note or "")


def _shares(
    names: Sequence[str], operators: Sequence[OperatorTime], inferences: int
) -> tuple[tuple[str, ...], ...]:
    calls: dict[str, int] = {}
    times: dict[str, int] = {}
    for name, operator in zip(names, operators, strict=True):
        calls[name] = calls.get(name, 0) + operator.calls
        times[name] = times.get(name, 0) + operator.total_ns
    total = sum(times.values()) or 1
    longest = sorted(times, key=lambda name: -times[name])[:_OPERATORS_SHOWN]
    return tuple(
        (
            name or "-",
            str(calls[name]),
            f"{times[name] / _MEGA / max(1, inferences):.3f}",
            f"{times[name] / total:.1%}",
        )
        for name in longest
    )


def _block(module: str) -> str:
    """The block that a module is part of: ``layer3.1.layers.0.attention`` -> ``layer3.1``."""
    return ".".join(module.split(".")[:2])


def _figure(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value / _MEGA:.{decimals}f}"
