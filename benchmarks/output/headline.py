"""The answers of a run in words: the fastest, the most accurate, and what to doubt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.analysis.comparison import compare_in_run, summarize_row
from benchmarks.analysis.statistics import Summary
from benchmarks.analysis.warnings import run_warnings
from benchmarks.output.models import Choice, choices, within_budget
from benchmarks.output.summaries import latency_rows
from mobilevit_edge.formats.report import LatencyRow, Run

_MEGA: Final = 1e6
_DOUBTS: Final = 3


def headline(run: Run, budget_ms: float | None = None) -> tuple[str, ...]:
    """One sentence for each answer.

    Args:
        run: rows that may be chosen from.
        budget_ms: the longest that a call may take, if that matters.
    """
    rows = latency_rows(run)
    return (*_fastest(rows), *_most_accurate(choices(rows), budget_ms), *doubts(run))


def doubts(run: Run) -> tuple[str, ...]:
    """Why not to take the figures at their word, the first reasons; or that there is none."""
    found = run_warnings(run, latency_rows(run))
    if not found:
        return ("Nothing to doubt: no process was disturbed, and every row has its samples.",)
    more = f"; and {len(found) - _DOUBTS} more, below" if len(found) > _DOUBTS else ""
    return (f"To doubt: {'; '.join(found[:_DOUBTS])}{more}.",)


def _fastest(rows: Sequence[LatencyRow]) -> Iterator[str]:
    measured: list[tuple[Summary, LatencyRow]] = [
        (summary, row) for row in rows if (summary := summarize_row(row)) is not None
    ]
    if not measured:
        yield "Nothing was measured."
        return
    measured.sort(key=lambda item: item[0].median)
    (best, first), *others = measured
    text = (
        f"Fastest: {first.id}, {best.median / _MEGA:.3g} ms "
        f"({best.low / _MEGA:.3g} to {best.high / _MEGA:.3g})"
    )
    if others:
        summary, second = others[0]
        ratio = compare_in_run(second, first)
        if ratio is None:
            text += f"; {second.id} has {summary.median / _MEGA:.3g} ms, not in turn with it"
        elif ratio.verdict == "no difference":
            text += f"; {second.id} is not told apart from it"
        else:
            text += f"; {second.id} takes {ratio.value:.3g} times as long"
    yield f"{text}."


def _most_accurate(found: Sequence[Choice], budget_ms: float | None) -> Iterator[str]:
    if not found:
        return
    if budget_ms is None:
        best = max(found, key=lambda choice: (choice.top1, -choice.median_ms))
        yield f"Most accurate: {_accuracy_of(best)}."
        return
    fitting = within_budget(found, budget_ms)
    within = f"within {budget_ms:g} ms with its whole interval"
    yield f"Most accurate {within}: {_accuracy_of(fitting) if fitting else 'nothing here'}."


def _accuracy_of(choice: Choice) -> str:
    return (
        f"{choice.row_id}, {choice.top1:.1f} % top-1 ({choice.source}) in {choice.median_ms:.3g} ms"
    )
