"""Why figures may be unreliable, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mobilevit_edge.formats.report import LatencyRow, Run


def row_warnings(row: LatencyRow) -> list[str]:
    """Why a row may be unreliable: each reason once, with the number of processes it concerns."""
    counts: dict[str, int] = {}
    for flag in (flag for series in row.series for flag in series.flags):
        text = f"{flag.kind.replace('_', ' ')}: {flag.reason}"
        counts[text] = counts.get(text, 0) + 1
    return [f"{text} ({n} processes)" if n > 1 else text for text, n in counts.items()]


def run_warnings(run: Run, rows: Sequence[LatencyRow]) -> list[str]:
    """The run's own, then those of some of its rows."""
    return [*(flag.reason for flag in run.flags), *warnings_of(rows)]


def warnings_of(rows: Iterable[LatencyRow]) -> list[str]:
    """Each reason once, with the rows it concerns: rows of one process share many."""
    concerned: dict[str, list[str]] = {}
    for row in rows:
        reasons = [] if row.not_run is None else [f"not run: {row.not_run}"]
        for text in [*reasons, *row_warnings(row)]:
            concerned.setdefault(text, []).append(row.id)
    return [f"{_abbreviate(ids)}: {text}" for text, ids in concerned.items()]


def _abbreviate(ids: Sequence[str]) -> str:
    first, *others = ids
    return f"{first} and {len(others)} more" if others else first
