"""Simulated figures as a table and as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.output.run import profile_tables
from benchmarks.output.table import Table
from mobilevit_edge.formats.report import Run, SimulationRow

_COLUMNS = (
    "row",
    "taken",
    "us",
    "us range",
    "to bound",
    "k cycles",
    "DDR MB",
    "ctx MB",
    "compile s",
    "difference",
    "same top-1",
)
_KILO = 1e3
_MEGA = 1e6


def npu_tables(run: Run) -> tuple[Table, ...]:
    """The simulated figures of a run, and where the time of each profiled row goes."""
    rows = [row for row in run.rows if isinstance(row, SimulationRow)]
    return (npu_table(rows), *(table for row in rows for table in profile_tables(row)))


def npu_table(rows: Sequence[SimulationRow]) -> Table:
    """A line for each bundle and chip, and for their lower bounds."""
    return Table(
        title="Qualcomm's NPU, as its compiler simulates it: microseconds, cycles, traffic",
        columns=_COLUMNS,
        rows=tuple(_cells(row, _bound_of(row, rows)) for row in rows),
        caption="simulated, not a phone's latency; a lower bound has the same convolutions, "
        "products and activations and nothing else; a dash: the compiler says nothing of it",
    )


def npu_summary(rows: Sequence[SimulationRow]) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [
        {
            "id": row.id,
            "chip": row.chip,
            "taken": row.not_run is None,
            "not_run": row.not_run,
            "not_taken": [asdict(node) for node in row.not_taken],
            "counts": dict(row.counts),
            "agreement": asdict(row.agreement) if row.agreement else None,
            "profile": asdict(row.profile) if row.profile else None,
        }
        for row in rows
    ]


def _bound_of(row: SimulationRow, rows: Sequence[SimulationRow]) -> int | None:
    """Microseconds of a row's lower bound, if there is one."""
    counts = {other.id: other.counts for other in rows}
    return counts.get(row.limit_row or "", {}).get("microseconds")


def _cells(row: SimulationRow, bound: int | None) -> tuple[str, ...]:
    counts = row.counts
    seconds, agreement = row.compile_seconds, row.agreement
    span = (counts.get("microseconds_low"), counts.get("microseconds_high"))
    moved = [counts[kind] for kind in counts if kind.endswith(("fill_bytes", "spill_bytes"))]
    return (
        row.id,
        "whole" if row.not_run is None else f"no: {row.not_run}",
        _shown(counts, "microseconds", 1, 0),
        "-" if None in span else f"{span[0]} - {span[1]}",
        f"{counts['microseconds'] / bound:.2f}" if bound and "microseconds" in counts else "-",
        _shown(counts, "cycles", _KILO, 0),
        f"{sum(moved) / _MEGA:.1f}" if moved else "-",
        _shown(counts, "context_bytes", _MEGA, 1),
        "-" if seconds is None else f"{seconds:.1f}",
        f"{agreement.largest_difference:.1e}" if agreement else "-",
        f"{agreement.same_top1} of {agreement.inputs}" if agreement else "-",
    )


def _shown(counts: Mapping[str, int], kind: str, unit: float, digits: int) -> str:
    return f"{counts[kind] / unit:.{digits}f}" if kind in counts else "-"
