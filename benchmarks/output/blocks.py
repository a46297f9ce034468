"""What ``mobilevit-bench blocks`` shows: each part of a network, and whether they add up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.analysis.comparison import compare_across_runs, compare_in_run, summarize_row
from benchmarks.analysis.statistics import Ratio, Summary
from benchmarks.output.summaries import latency_rows, plus_minus, runtime_name
from benchmarks.output.table import Table
from benchmarks.workloads.blocks import EXPERIMENT, LOWER_BOUND, PART_OF, WHOLE
from mobilevit_edge.formats.report import LatencyRow, Run

_MEGA: Final = 1e6
TOLERANCE: Final = 0.15
"""By how much the sum of the parts may miss the whole. A part by itself pays for a call, and for
laying out inputs and outputs that the whole network never lays out."""
_PART_COLUMNS: Final = (
    "part",
    "parameters",
    "M MAC",
    "median (ms)",
    "95 %",
    "p90",
    "share",
    "GFLOP/s",
    "bound (ms)",
    "part / bound",
    "best bound (ms)",
    "part / best bound",
)


@dataclass(frozen=True)
class PartSum:
    """The sum of some parts' medians beside the whole's, in nanoseconds."""

    whole: str
    sum_ns: float
    whole_ns: float
    half_width_ns: float

    @property
    def difference(self) -> float:
        """Difference of the sum from the whole, as a share of the whole."""
        return self.sum_ns / self.whole_ns - 1

    @property
    def within_tolerance(self) -> bool:
        """Whether the difference is within the tolerance, its interval allowed for."""
        allowed = TOLERANCE * self.whole_ns + self.half_width_ns
        return abs(self.sum_ns - self.whole_ns) <= allowed


def is_block_row(row: LatencyRow) -> bool:
    """Whether a row says which part it is of."""
    return row.subject.part is not None


def blocks_of(run: Run) -> dict[str, list[LatencyRow]]:
    """Rows of the experiment by target, without the lower bounds."""
    by_target: dict[str, list[LatencyRow]] = {}
    for row in latency_rows(run):
        if row.experiment == EXPERIMENT and not _is_lower_bound(row):
            by_target.setdefault(row.subject.target or "", []).append(row)
    return by_target


def part_sums(rows: Sequence[LatencyRow]) -> tuple[PartSum, ...]:
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
            PartSum(
                whole=owner,
                sum_ns=sum(part.median for part in known),
                whole_ns=whole.median,
                # Independent errors add up as squares do.
                half_width_ns=math.hypot(*((s.high - s.low) / 2 for s in (whole, *known))),
            )
        )
    return tuple(found)


def best_bounds(run: Run) -> dict[str, LatencyRow]:
    """The lower bound of each part in whatever runtime is fastest at it."""
    best: dict[str, tuple[float, LatencyRow]] = {}
    for row in latency_rows(run):
        summary = summarize_row(row) if _is_lower_bound(row) else None
        part = row.subject.part or ""
        if summary is not None and summary.median < best.get(part, (math.inf,))[0]:
            best[part] = (summary.median, row)
    return {part: row for part, (_, row) in best.items()}


def blocks_tables(run: Run) -> tuple[Table, ...]:
    """Two tables for each target: the parts, and their sums."""
    by_id, best = {row.id: row for row in latency_rows(run)}, best_bounds(run)
    tables = []
    for target, rows in blocks_of(run).items():
        tables += [_parts_table(target, rows, by_id, best), _sums_table(target, rows)]
    return tuple(tables)


def blocks_summary(run: Run) -> dict[str, Any]:
    """The same as plain data, in nanoseconds."""
    by_id, best = {row.id: row for row in latency_rows(run)}, best_bounds(run)
    return {
        "stated_error": TOLERANCE,
        "targets": {
            target: {
                "parts": [_part_summary(row, by_id, best) for row in rows],
                "sums": [
                    {
                        "whole": part_sum.whole,
                        "sum_ns": part_sum.sum_ns,
                        "whole_ns": part_sum.whole_ns,
                        "difference": part_sum.difference,
                        "adds_up": part_sum.within_tolerance,
                    }
                    for part_sum in part_sums(rows)
                ],
            }
            for target, rows in blocks_of(run).items()
        },
    }


def _part_summary(
    row: LatencyRow, by_id: Mapping[str, LatencyRow], best: Mapping[str, LatencyRow]
) -> dict[str, Any]:
    summary, against = summarize_row(row), _against_lower_bound(row, by_id)
    against_best = _against_best(row, best)
    return {
        "part": row.subject.part,
        "within": row.subject.attributes.get(PART_OF),
        "parameters": row.subject.parameters,
        "macs": row.subject.macs,
        "median_ns": summary.median if summary else None,
        "p90_ns": summary.p90 if summary else None,
        "interval_ns": [summary.low, summary.high] if summary else None,
        "against_limit": against.value if against else None,
        "against_best_limit": against_best.value if against_best else None,
        "not_run": row.not_run,
    }


def _parts_table(
    target: str,
    rows: Sequence[LatencyRow],
    by_id: Mapping[str, LatencyRow],
    best: Mapping[str, LatencyRow],
) -> Table:
    whole = next((summarize_row(row) for row in rows if row.subject.part == WHOLE), None)
    model = rows[0].subject.model
    size = rows[0].subject.image_size
    return Table(
        title=f"{model}, {runtime_name(rows[0])}, fp32, {size[0]}x{size[1]}, batch 1"
        if size
        else f"{model}, {target}",
        columns=_PART_COLUMNS,
        rows=tuple(_part_cells(row, whole, by_id, best) for row in rows),
        caption="M MAC: millions of multiply-adds that the part executes; bound: the lower bound, "
        "the same convolutions, products and activations alone; best: of all runtimes in this "
        "report; a part takes less where a rewrite saves arithmetic",
    )


def _part_cells(
    row: LatencyRow,
    whole: Summary | None,
    by_id: Mapping[str, LatencyRow],
    best: Mapping[str, LatencyRow],
) -> tuple[str, ...]:
    about, summary = row.subject, summarize_row(row)
    name = about.part or ""
    owner = about.attributes.get(PART_OF)
    shown = f"· {name.removeprefix(f'{owner}.')}" if owner else name
    counts = (f"{about.parameters or 0:,}", f"{(about.macs or 0) / _MEGA:.1f}")
    if summary is None:
        missing = len(_PART_COLUMNS) - 4
        return (shown, *counts, "not run", *["-"] * missing)
    bound = by_id.get(row.limit_row or "")
    best_bound = best.get(row.subject.part or "")
    return (
        shown,
        *counts,
        f"{summary.median / _MEGA:.3f}",
        plus_minus(summary),
        f"{summary.p90 / _MEGA:.3f}",
        f"{summary.median / whole.median:.1%}" if whole else "-",
        # Two operations for each multiply-add; per nanosecond is giga per second.
        f"{2 * (about.macs or 0) / summary.median:.1f}",
        _median(bound),
        _shown(_against_lower_bound(row, by_id)),
        f"{_median(best_bound)} {best_bound.subject.target}" if best_bound else "-",
        _shown(_against_best(row, best)),
    )


def _median(row: LatencyRow | None) -> str:
    summary = summarize_row(row) if row else None
    return f"{summary.median / _MEGA:.3f}" if summary else "-"


def _shown(ratio: Ratio | None) -> str:
    return f"{ratio.value:.2f} ± {(ratio.high - ratio.low) / 2:.2f}" if ratio else "-"


def _sums_table(target: str, rows: Sequence[LatencyRow]) -> Table:
    return Table(
        title=f"{target}: do the parts add up?",
        columns=("whole", "sum of its parts (ms)", "whole (ms)", "difference", "verdict"),
        rows=tuple(
            (
                part_sum.whole,
                f"{part_sum.sum_ns / _MEGA:.3f}",
                f"{part_sum.whole_ns / _MEGA:.3f}",
                f"{part_sum.difference:+.1%} ± {part_sum.half_width_ns / part_sum.whole_ns:.1%}",
                "within tolerance" if part_sum.within_tolerance else "outside tolerance",
            )
            for part_sum in part_sums(rows)
        ),
        caption=f"tolerance: {TOLERANCE:.0%} of the whole; a part by itself pays for a call and "
        "for the layout of its inputs and outputs",
    )


def _against_lower_bound(row: LatencyRow, by_id: Mapping[str, LatencyRow]) -> Ratio | None:
    bound = by_id.get(row.limit_row or "")
    return compare_in_run(row, bound) if bound else None


def _against_best(row: LatencyRow, best: Mapping[str, LatencyRow]) -> Ratio | None:
    """Against the best runtime's bound, which took turns with the row only if it is its own."""
    bound = best.get(row.subject.part or "")
    if bound is None:
        return None
    return compare_in_run(row, bound) or compare_across_runs(row, bound)


def _is_lower_bound(row: LatencyRow) -> bool:
    return row.subject.attributes.get("kind") == LOWER_BOUND
