"""What the subcommands' tables and summaries share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.analysis.comparison import summarize_row
from benchmarks.analysis.statistics import Ratio, Summary
from benchmarks.analysis.warnings import row_warnings, run_warnings
from benchmarks.output.charts import Bar
from benchmarks.output.table import Table, print_table, wide_console
from mobilevit_edge.formats.report import ColdStart, LatencyRow, Run

_MEGA: Final = 1e6


def print_tables(tables: Sequence[Table], run: Run, path: Path) -> None:
    """Tables of a run, then its warnings."""
    console = wide_console()
    for table in tables:
        print_table(console, table)
    for text in run_warnings(run, latency_rows(run)):
        console.print(f"warning: {text}")
    console.print(f"report: {path}")


def row_summary(row: LatencyRow) -> dict[str, Any]:
    """A row by itself, as plain data."""
    summary = summarize_row(row)
    artifact = row.subject.artifact
    return {
        "id": row.id,
        "model": row.subject.model,
        "runtime": runtime_name(row),
        "samples": summary.count if summary else 0,
        "processes": summary.processes if summary else 0,
        "median_ns": summary.median if summary else None,
        "interval_ns": [summary.low, summary.high] if summary else None,
        "p90_ns": summary.p90 if summary else None,
        "noise": summary.noise if summary else None,
        "outliers": summary.outliers if summary else 0,
        "bytes": artifact.bytes if artifact else None,
        "load_ns": median_of(row.cold_starts, "load_ns"),
        "first_inference_ns": median_of(row.cold_starts, "first_inference_ns"),
        "memory_before_bytes": median_of(row.cold_starts, "memory_before_bytes"),
        "peak_memory_bytes": median_of(row.cold_starts, "peak_memory_bytes"),
        "not_run": row.not_run,
        "notes": row_warnings(row),
    }


def runtime_name(row: LatencyRow) -> str:
    """Name and version of what ran a row."""
    return " ".join(filter(None, (row.runtime.name, row.runtime.version)))


def series_of(row: LatencyRow) -> str:
    """What ran a row, for legends: runtime and precision."""
    return " ".join(filter(None, (row.runtime.name, row.subject.precision)))


def latency_bars(run: Run) -> tuple[Bar, ...]:
    """The median of every row that was measured."""
    measured = [(row, summarize_row(row)) for row in latency_rows(run)]
    return tuple(
        Bar(row.id, series_of(row), s.low / _MEGA, s.median / _MEGA, s.high / _MEGA)
        for row, s in measured
        if s is not None
    )


def ratio_summary(ratio: Ratio) -> dict[str, Any]:
    """A ratio as plain data; an interval without an upper end ends in ``None``."""
    high = ratio.high if math.isfinite(ratio.high) else None
    return {"ratio": ratio.value, "interval": [ratio.low, high], "verdict": ratio.verdict}


def plus_minus(summary: Summary) -> str:
    """Half the 95 % interval, as a share of the median."""
    return f"± {(summary.high - summary.low) / 2 / summary.median:.1%}"


def median_of(cold_starts: Sequence[ColdStart], name: str) -> float | None:
    """Median of one of the figures of cold starts; ``None`` if no process knew it."""
    values = [getattr(cold, name) for cold in cold_starts]
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def latency_rows(run: Run) -> list[LatencyRow]:
    """A run's rows that were timed, not counted or simulated."""
    return [row for row in run.rows if isinstance(row, LatencyRow)]
