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
from benchmarks.statistics import MARGIN, Ratio
from converters.tables import PlainConsole
from mobilevit_edge.report import ColdStart, Flag, LatencyRow, Profile, Run

_MEGA: Final = 1e6
_OPERATORS_SHOWN: Final = 12
_WIDTH: Final = 130


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
        "rows": [_row_summary(row, rows[0]) for row in rows],
    }


def _row_summary(row: LatencyRow, first: LatencyRow) -> dict[str, Any]:
    summary = summarise_row(row)
    ratio = compare_in_run(row, first) if row is not first else None
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
        "load_ns": _median_of(row.cold_starts, "load_ns"),
        "first_inference_ns": _median_of(row.cold_starts, "first_inference_ns"),
        "memory_before_bytes": _median_of(row.cold_starts, "memory_before_bytes"),
        "peak_memory_bytes": _median_of(row.cold_starts, "peak_memory_bytes"),
        "against_first": _ratio_summary(ratio) if ratio else None,
        "not_run": row.not_run,
        "notes": notes(row),
    }


def notes(row: LatencyRow) -> list[str]:
    """Why to doubt a row: each reason once, with how many processes it concerns."""
    counts: dict[str, int] = {}
    for flag in (flag for series in row.series for flag in series.flags):
        text = f"{flag.kind.replace('_', ' ')}: {flag.reason}"
        counts[text] = counts.get(text, 0) + 1
    return [f"{text} ({n} processes)" if n > 1 else text for text, n in counts.items()]


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
        table.add_row(*_cells(_row_summary(row, rows[0]), with_ratio=len(rows) > 1))
    console = _console()
    console.print(table)
    console.print(
        "load and first inference: each in a fresh process, file in the system's cache; peak "
        "memory: the whole process, with Python and the runtime"
    )
    for text in [*(flag.reason for flag in run.flags), *_doubts(rows)]:
        console.print(f"note: {text}")
    for row in rows:
        if row.profile is not None:
            _print_profile(console, row.id, row.profile)
    console.print(f"report: {path}")


def _cells(row: dict[str, Any], *, with_ratio: bool) -> list[str]:
    interval = row["interval_ns"]
    cells = [
        row["id"],
        _figure(row["median_ns"], 3),
        f"{_figure(interval[0], 3)} to {_figure(interval[1], 3)}" if interval else "-",
        _figure(row["p90_ns"], 3),
        "-" if row["noise"] is None else f"{row['noise']:.1%}",
        _figure(row["bytes"], 1),
        _figure(row["load_ns"], 1),
        _figure(row["first_inference_ns"], 1),
        _figure(row["peak_memory_bytes"], 0),
    ]
    if with_ratio:
        against = row["against_first"]
        cells.append(_ratio_text(against) if against else "-")
    return cells


def _doubts(rows: Sequence[LatencyRow]) -> list[str]:
    texts = []
    for row in rows:
        if row.not_run is not None:
            texts.append(f"{row.id}: not run: {row.not_run}")
        texts += [f"{row.id}: {note}" for note in notes(row)]
    return texts


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
    return texts + _doubts([comparison.a, comparison.b])


def _ratio_summary(ratio: Ratio) -> dict[str, Any]:
    high = ratio.high if math.isfinite(ratio.high) else None
    return {"ratio": ratio.value, "interval": [ratio.low, high], "verdict": ratio.verdict}


def _ratio_text(ratio: dict[str, Any], *, with_verdict: bool = True) -> str:
    low, high = ratio["interval"]
    shown = "any" if high is None else f"{high:.3f}"
    text = f"{ratio['ratio']:.3f} ({low:.3f} to {shown})"
    return f"{text} {ratio['verdict']}" if with_verdict else text


def _median_of(cold_starts: Sequence[ColdStart], name: str) -> float | None:
    values = [getattr(cold, name) for cold in cold_starts]
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _figure(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value / _MEGA:.{decimals}f}"


def _console() -> PlainConsole:
    """At least as wide as the table of a run: narrow columns would cut figures."""
    return PlainConsole(width=max(PlainConsole().width, _WIDTH))


def _latency_rows(run: Run) -> list[LatencyRow]:
    return [row for row in run.rows if isinstance(row, LatencyRow)]
