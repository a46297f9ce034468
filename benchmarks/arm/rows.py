"""Counted rows as a run of a report, as a table and as plain data."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import benchmarks.harness.machine as machine
from benchmarks.arm.processors import PROCESSORS
from benchmarks.harness.parent import utc_now
from benchmarks.output.table import Table
from mobilevit_edge import __version__
from mobilevit_edge.formats.report import Affinity, InstructionRow, Protocol, Run, Tool

_MEGA: Final = 1e6


def run_of(rows: Sequence[InstructionRow]) -> Run:
    """A run that holds counts alone."""
    return Run(
        id=uuid.uuid4().hex,
        tool=Tool("mobilevit-bench", __version__),
        created=utc_now(),
        device=machine.this_device(),
        system=machine.this_system(),
        versions=machine.library_versions(),
        affinity=Affinity(None, None),
        # One inference after a first one: counts repeat.
        protocol=Protocol(
            processes=1, seconds=None, warm_up=1, seed=None, max_noise=None, digest=None
        ),
        calm=None,
        flags=(),
        rows=tuple(rows),
    )


def arm_table(rows: Sequence[InstructionRow]) -> Table:
    """Millions of instructions by kind, and whether the answers agree."""
    kinds = tuple(dict.fromkeys(kind for row in rows for kind in row.counts))
    notes = [f"{p.name}: {p.note}" for p in PROCESSORS.values() if p.note]
    return Table(
        title="ARM instruction count (emulated), millions an inference",
        columns=("row", *kinds, "a multiply-add", "difference", "same top-1"),
        rows=tuple(_cells(row, kinds) for row in rows),
        caption="; ".join(
            ["no latency: no caches, no memory, no instructions side by side"]
            + [note for note in notes if _concerned(note, rows)]
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
    macs = row.subject.macs
    agreement = row.agreement
    return (
        row.id,
        *counts,
        f"{row.counts['all'] / macs:.3f}" if macs else "-",
        f"{agreement.largest_difference:.1e}" if agreement else "-",
        f"{agreement.same_top1} of {agreement.inputs}" if agreement else "-",
    )


def _concerned(note: str, rows: Sequence[InstructionRow]) -> bool:
    return any(row.id.endswith(f" {note.partition(':')[0]}") for row in rows)
