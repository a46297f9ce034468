"""What ``mobilevit-bench`` prints, for people and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.table import Table

from benchmarks.comparison import compare_in_run, summarise_row
from benchmarks.doubts import doubts, notes, row_doubts
from benchmarks.statistics import MARGIN, Ratio, Summary
from benchmarks.table import Table as PlainTable
from benchmarks.table import print_table, wide_console
from converters.tables import PlainConsole
from mobilevit_edge.report import ColdStart, Flag, LatencyRow, Profile, Run

_MEGA: Final = 1e6
_OPERATORS_SHOWN: Final = 12


@dataclass(frozen=True)
class Comparison:
    """Two rows and how they compare; ``paired`` if they took turns in one run."""

    a: LatencyRow
    b: LatencyRow
    ratio: Ratio
    flags: tuple[Flag, ...]
    paired: bool


def run_summary(run: Run) -> dict[str, Any]:
    """What a run says, as plain data: figures in nanoseconds, bytes and shares."""
    rows = _latency_rows(run)
    return {
        "flags": [flag.reason for flag in run.flags],
        "rows": [{**row_summary(row), "against_first": _against(row, rows[0])} for row in rows],
    }


def row_summary(row: LatencyRow) -> dict[str, Any]:
    """A row by itself, as plain data."""
    summary = summarise_row(row)
    artifact = row.subject.artifact
    return {
        "id": row.id,
        "model": row.subject.model,
        "runtime": " ".join(filter(None, (row.runtime.name, row.runtime.version))),
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
        "notes": notes(row),
    }


def _against(row: LatencyRow, first: LatencyRow) -> dict[str, Any] | None:
    ratio = compare_in_run(row, first) if row is not first else None
    return _ratio_summary(ratio) if ratio else None


def print_run(run: Run, path: Path) -> None:
    """A table of a run's rows, its doubts, and the profiles."""
    rows = _latency_rows(run)
    core = run.affinity.in_effect
    on = "any core" if core is None else f"core {', '.join(map(str, core))}"
    table = Table(title=f"{run.device.processor}, {on}, one thread; milliseconds, megabytes")
    table.add_column("bundle", no_wrap=True)
    for heading in ("median", "95 %", "p90", "noise", "file", "load", "first", "peak memory"):
        table.add_column(heading, justify="right", no_wrap=True)
    if len(rows) > 1:
        table.add_column(f"against {rows[0].id}")
    for row in rows:
        table.add_row(*_cells(row, rows[0], with_ratio=len(rows) > 1))
    console = wide_console()
    console.print(table)
    console.print(
        "load and first inference: each in a fresh process, file in the system's cache; peak "
        "memory: the whole process, with Python and the runtime"
    )
    for text in doubts(run, rows):
        console.print(f"note: {text}")
    for row in rows:
        if row.profile is not None:
            _print_profile(console, row.id, row.profile)
    console.print(f"report: {path}")


def _cells(row: LatencyRow, first: LatencyRow, *, with_ratio: bool) -> list[str]:
    told = row_summary(row)
    interval = told["interval_ns"]
    cells = [
        row.id,
        _figure(told["median_ns"], 3),
        f"{_figure(interval[0], 3)} to {_figure(interval[1], 3)}" if interval else "-",
        _figure(told["p90_ns"], 3),
        "-" if told["noise"] is None else f"{told['noise']:.1%}",
        _figure(told["bytes"], 1),
        _figure(told["load_ns"], 1),
        _figure(told["first_inference_ns"], 1),
        _figure(told["peak_memory_bytes"], 0),
    ]
    if with_ratio:
        against = _against(row, first)
        cells.append(_ratio_text(against) if against else "-")
    return cells


def _print_profile(console: PlainConsole, row_id: str, profile: Profile) -> None:
    if not profile.operators:
        console.print(f"{row_id}: no profile: {profile.note}")
        return
    total = sum(operator.total_ns for operator in profile.operators) or 1
    for title in ("operator", "block"):
        sums: dict[str, tuple[int, int]] = {}
        for operator in profile.operators:
            name = operator.kind if title == "operator" else _block(operator.module)
            calls, time = sums.get(name, (0, 0))
            sums[name] = (calls + operator.calls, time + operator.total_ns)
        if set(sums) == {""}:
            continue
        table = Table(title=f"{row_id}, {profile.source}, {profile.inferences} inferences")
        table.add_column(title)
        for heading in ("calls", "ms an inference", "share"):
            table.add_column(heading, justify="right")
        for name, (calls, time) in sorted(sums.items(), key=lambda item: -item[1][1])[
            :_OPERATORS_SHOWN
        ]:
            milliseconds = time / _MEGA / max(1, profile.inferences)
            table.add_row(name or "-", str(calls), f"{milliseconds:.3f}", f"{time / total:.1%}")
        console.print(table)
    if profile.note is not None:
        console.print(f"note: {profile.note}")


def _block(module: str) -> str:
    """The block that a module is part of: ``layer3.1.layers.0.attention`` -> ``layer3.1``."""
    return ".".join(module.split(".")[:2])


def comparison_summary(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain data."""
    ratio = comparison.ratio
    return {
        "a": comparison.a.id,
        "b": comparison.b.id,
        **_ratio_summary(ratio),
        "rounds": ratio.rounds,
        "processes": ratio.processes,
        "paired": comparison.paired,
        "between_processes": ratio.between_processes,
        "margin": MARGIN,
        "notes": _comparison_notes(comparison),
    }


def print_comparison(comparison: Comparison) -> None:
    """The verdict in one sentence, and what limits it."""
    ratio = comparison.ratio
    console = PlainConsole()
    a, b = comparison.a.id, comparison.b.id
    verdict = {
        "faster": f"{a} is faster than {b}",
        "slower": f"{a} is slower than {b}",
        "no difference": f"no difference between {a} and {b}",
    }[ratio.verdict]
    console.print(
        f"{verdict}: {a} takes {_ratio_text(_ratio_summary(ratio), with_verdict=False)} times as "
        f"long, 95 % interval; {ratio.rounds} samples, {ratio.processes} processes"
    )
    for text in _comparison_notes(comparison):
        console.print(f"note: {text}")


def _comparison_notes(comparison: Comparison) -> list[str]:
    texts = [flag.reason for flag in comparison.flags]
    if not comparison.paired:
        texts.append("separate runs: what changed on the machine in between is not covered")
    if not comparison.ratio.between_processes:
        texts.append("fewer than three processes: the next process may differ by more")
    return texts + row_doubts([comparison.a, comparison.b])


def _ratio_summary(ratio: Ratio) -> dict[str, Any]:
    high = ratio.high if math.isfinite(ratio.high) else None
    return {"ratio": ratio.value, "interval": [ratio.low, high], "verdict": ratio.verdict}


def _ratio_text(ratio: dict[str, Any], *, with_verdict: bool = True) -> str:
    low, high = ratio["interval"]
    shown = "any" if high is None else f"{high:.3f}"
    text = f"{ratio['ratio']:.3f} ({low:.3f} to {shown})"
    return f"{text} {ratio['verdict']}" if with_verdict else text


def print_tables(tables: Sequence[PlainTable], run: Run, path: Path) -> None:
    """Tables of a run, then its doubts."""
    console = wide_console()
    for table in tables:
        print_table(console, table)
    for text in doubts(run, _latency_rows(run)):
        console.print(f"note: {text}")
    console.print(f"report: {path}")


def plus_minus(summary: Summary) -> str:
    """Half the 95 % interval, as a share of the median."""
    return f"± {(summary.high - summary.low) / 2 / summary.median:.1%}"


def median_of(cold_starts: Sequence[ColdStart], name: str) -> float | None:
    """Of one of the figures of cold starts; ``None`` where no process knew it."""
    values = [getattr(cold, name) for cold in cold_starts]
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _figure(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value / _MEGA:.{decimals}f}"


def _latency_rows(run: Run) -> list[LatencyRow]:
    return [row for row in run.rows if isinstance(row, LatencyRow)]
