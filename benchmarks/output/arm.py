"""Counted instructions as a table and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from benchmarks.arm.processors import PROCESSORS
from benchmarks.output.table import Table
from mobilevit_edge.formats.report import InstructionRow, Run

_MEGA: Final = 1e6


def arm_tables(run: Run) -> tuple[Table, ...]:
    """The counts of a run."""
    return (arm_table([row for row in run.rows if isinstance(row, InstructionRow)]),)


def arm_table(rows: Sequence[InstructionRow]) -> Table:
    """Millions of instructions by kind, and whether the answers agree."""
    kinds = tuple(dict.fromkeys(kind for row in rows for kind in row.counts))
    notes = [
        f"{processor.name}: {processor.note}"
        for processor in PROCESSORS.values()
        if processor.note and any(row.id.endswith(f" {processor.name}") for row in rows)
    ]
    return Table(
        title="ARM instruction count (emulated), millions per inference",
        columns=("row", *kinds, "per multiply-add", "difference", "same top-1"),
        rows=tuple(_cells(row, kinds) for row in rows),
        caption="; ".join(
            ["not a latency: without caches, memory or instructions in parallel", *notes]
        ),
    )


def arm_summary(rows: Sequence[InstructionRow]) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [
        {
            "id": row.id,
            "counts": dict(row.counts),
            "agreement": asdict(row.agreement) if row.agreement else None,
            "not_run": row.not_run,
        }
        for row in rows
    ]


def _cells(row: InstructionRow, kinds: Sequence[str]) -> tuple[str, ...]:
    if row.not_run is not None:
        return (row.id, f"not run: {row.not_run}", *["-"] * (len(kinds) + 2))
    counts = tuple(f"{row.counts.get(kind, 0) / _MEGA:.1f}" for kind in kinds)
    macs, every = row.subject.macs, row.counts.get("all")
    agreement = row.agreement
    return (
        row.id,
        *counts,
        f"{every / macs:.3f}" if macs and every is not None else "-",
        f"{agreement.largest_difference:.1e}" if agreement else "-",
        f"{agreement.same_top1} of {agreement.inputs}" if agreement else "-",
    )
