"""What ``mobilevit-bench blocks`` says: each part of a network, and whether they add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.analysis.comparison import compare_in_run, summarize_row
from benchmarks.analysis.statistics import Ratio, Summary
from benchmarks.output.summaries import plus_minus
from benchmarks.output.table import Table
from benchmarks.workloads.blocks import EXPERIMENT, LIMIT, PART_OF, WHOLE
from mobilevit_edge.formats.report import LatencyRow, Run

_MEGA: Final = 1e6
STATED_ERROR: Final = 0.15
"""By how much the sum of the parts may miss the whole. A part by itself pays for a call, and for
laying out inputs and outputs that the whole network never lays out."""


@dataclass(frozen=True)
class Addition:
    """The sum of some parts' medians beside the whole's, in nanoseconds."""

    whole: str
    sum_ns: float
    whole_ns: float
    half_width_ns: float

    @property
    def difference(self) -> float:
        """Of the sum to the whole, as a share of the whole."""
        return self.sum_ns / self.whole_ns - 1

    @property
    def adds_up(self) -> bool:
        """Whether the difference is within the stated error, its interval allowed for."""
        allowed = STATED_ERROR * self.whole_ns + self.half_width_ns
        return abs(self.sum_ns - self.whole_ns) <= allowed


def blocks_of(run: Run) -> dict[str, list[LatencyRow]]:
    """Rows of the experiment by target, without the limits."""
    by_target: dict[str, list[LatencyRow]] = {}
    for row in run.rows:
        if isinstance(row, LatencyRow) and row.experiment == EXPERIMENT and not _is_limit(row):
            by_target.setdefault(row.subject.target or "", []).append(row)
    return by_target


def additions(rows: Sequence[LatencyRow]) -> tuple[Addition, ...]:
    """The parts of the network against the whole, then the pieces of each block against it.

    A sum that lacks a part is left out.
    """
    summaries = {row.subject.part: summarize_row(row) for row in rows}
    members: dict[str, list[str]] = {}
    for row in rows:
        if row.subject.part != WHOLE:
            owner = row.subject.attributes.get(PART_OF, WHOLE)
            members.setdefault(owner, []).append(row.subject.part or "")
    found = []
    for owner, names in members.items():
        whole, parts = summaries.get(owner), [summaries[name] for name in names]
        if whole is None or any(part is None for part in parts):
            continue
        known = [part for part in parts if part is not None]
        found.append(
            Addition(
                whole=owner,
                sum_ns=sum(part.median for part in known),
                whole_ns=whole.median,
                # Independent errors add up as squares do.
                half_width_ns=math.hypot(*((s.high - s.low) / 2 for s in (whole, *known))),
            )
        )
    return tuple(found)


def blocks_tables(run: Run) -> tuple[Table, ...]:
    """Two tables for each target: the parts, and their sums."""
    rows_by_id = {row.id: row for row in run.rows if isinstance(row, LatencyRow)}
    tables = []
    for target, rows in blocks_of(run).items():
        tables += [_parts_table(target, rows, rows_by_id), _sums_table(target, rows)]
    return tuple(tables)


def blocks_summary(run: Run) -> dict[str, Any]:
    """The same as plain data, in nanoseconds."""
    rows_by_id = {row.id: row for row in run.rows if isinstance(row, LatencyRow)}
    return {
        "stated_error": STATED_ERROR,
        "targets": {
            target: {
                "parts": [_part_summary(row, rows_by_id) for row in rows],
                "sums": [
                    {
                        "whole": a.whole,
                        "sum_ns": a.sum_ns,
                        "whole_ns": a.whole_ns,
                        "difference": a.difference,
                        "adds_up": a.adds_up,
                    }
                    for a in additions(rows)
                ],
            }
            for target, rows in blocks_of(run).items()
        },
    }


def _part_summary(row: LatencyRow, rows: dict[str, LatencyRow]) -> dict[str, Any]:
    summary, against = summarize_row(row), _against_limit(row, rows)
    return {
        "part": row.subject.part,
        "within": row.subject.attributes.get(PART_OF),
        "parameters": row.subject.parameters,
        "macs": row.subject.macs,
        "median_ns": summary.median if summary else None,
        "p90_ns": summary.p90 if summary else None,
        "interval_ns": [summary.low, summary.high] if summary else None,
        "against_limit": against.value if against else None,
        "not_run": row.not_run,
    }


def _parts_table(target: str, rows: Sequence[LatencyRow], by_id: dict[str, LatencyRow]) -> Table:
    whole = next((summarize_row(row) for row in rows if row.subject.part == WHOLE), None)
    model = rows[0].subject.model
    size = rows[0].subject.image_size
    return Table(
        title=f"{model}, {rows[0].runtime.name} {rows[0].runtime.version or ''}, fp32, "
        f"{size[0]}x{size[1]}, batch 1"
        if size
        else f"{model}, {target}",
        columns=(
            *("part", "parameters", "M MAC", "median (ms)", "95 %", "p90", "share"),
            *("GFLOP/s", "limit (ms)", "part / limit"),
        ),
        rows=tuple(_part_cells(row, whole, by_id) for row in rows),
        caption="M MAC: millions of multiply-adds that the part executes; limit: the same "
        "convolutions, products and activations alone; below 1 where a rewrite saves arithmetic",
    )


def _part_cells(
    row: LatencyRow, whole: Summary | None, by_id: dict[str, LatencyRow]
) -> tuple[str, ...]:
    about, summary = row.subject, summarize_row(row)
    name = about.part or ""
    owner = about.attributes.get(PART_OF)
    shown = f"· {name.removeprefix(f'{owner}.')}" if owner else name
    counts = (f"{about.parameters or 0:,}", f"{(about.macs or 0) / _MEGA:.1f}")
    if summary is None:
        return (shown, *counts, "not run", *["-"] * 6)
    limit = summarize_row(by_id[row.limit_row]) if row.limit_row else None
    ratio = _against_limit(row, by_id)
    return (
        shown,
        *counts,
        f"{summary.median / _MEGA:.3f}",
        plus_minus(summary),
        f"{summary.p90 / _MEGA:.3f}",
        f"{summary.median / whole.median:.1%}" if whole else "-",
        # Two operations a multiply-add; per nanosecond is giga per second.
        f"{2 * (about.macs or 0) / summary.median:.1f}",
        f"{limit.median / _MEGA:.3f}" if limit else "-",
        f"{ratio.value:.2f} ± {(ratio.high - ratio.low) / 2:.2f}" if ratio else "-",
    )


def _sums_table(target: str, rows: Sequence[LatencyRow]) -> Table:
    return Table(
        title=f"{target}: do the parts add up?",
        columns=("whole", "sum of its parts (ms)", "whole (ms)", "difference", "verdict"),
        rows=tuple(
            (
                a.whole,
                f"{a.sum_ns / _MEGA:.3f}",
                f"{a.whole_ns / _MEGA:.3f}",
                f"{a.difference:+.1%} ± {a.half_width_ns / a.whole_ns:.1%}",
                "adds up" if a.adds_up else "does not add up",
            )
            for a in additions(rows)
        ),
        caption=f"adds up: within {STATED_ERROR:.0%} of the whole; a part by itself pays for a "
        "call and for the layout of its inputs and outputs",
    )


def _against_limit(row: LatencyRow, by_id: dict[str, LatencyRow]) -> Ratio | None:
    return compare_in_run(row, by_id[row.limit_row]) if row.limit_row else None


def _is_limit(row: LatencyRow) -> bool:
    return row.subject.attributes.get("kind") == LIMIT
