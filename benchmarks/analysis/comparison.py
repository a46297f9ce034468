"""Rows of a report, summarized and compared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from benchmarks.analysis.quality_flags import usable_series
from benchmarks.analysis.statistics import Ratio, Summary, paired_ratio, summarize, unpaired_ratio
from mobilevit_edge.formats.report import LatencyRow


def summarize_row(row: LatencyRow) -> Summary | None:
    """Summary of a row's usable series; ``None`` without samples."""
    samples = tuple(tuple(series.samples_ns) for series in usable_series(row))
    return _summary(samples) if samples else None


@lru_cache(maxsize=4096)
def _summary(samples: Sequence[Sequence[int]]) -> Summary:
    """Resampled once: a page asks for the same row in every table and figure."""
    return summarize(samples)


def compare_in_run(a: LatencyRow, b: LatencyRow) -> Ratio | None:
    """A / B of one run, round by round; ``None`` where the two never took turns."""
    by_process = {(s.group, s.process): s.samples_ns for s in usable_series(b) if s.group}
    pairs = [
        (series.samples_ns, by_process[series.group, series.process])
        for series in usable_series(a)
        if series.group and (series.group, series.process) in by_process
    ]
    return paired_ratio([x for x, _ in pairs], [y for _, y in pairs]) if pairs else None


def compare_across_runs(a: LatencyRow, b: LatencyRow) -> Ratio | None:
    """A / B of separate runs; the interval does not cover what differed between them."""
    sides = [[series.samples_ns for series in usable_series(row)] for row in (a, b)]
    return unpaired_ratio(*sides) if all(sides) else None
