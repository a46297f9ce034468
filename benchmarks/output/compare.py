"""What ``mobilevit-bench compare`` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.analysis.statistics import MARGIN, Ratio
from benchmarks.analysis.warnings import row_doubts
from benchmarks.output.summaries import ratio_summary
from mobilevit_edge.formats.report import Flag, LatencyRow
from mobilevit_edge.terminal import PlainConsole


@dataclass(frozen=True)
class Comparison:
    """Two rows and how they compare; ``paired`` if they took turns in one run."""

    a: LatencyRow
    b: LatencyRow
    ratio: Ratio
    flags: tuple[Flag, ...]
    paired: bool


def comparison_summary(comparison: Comparison) -> dict[str, Any]:
    """A comparison as plain data."""
    ratio = comparison.ratio
    return {
        "a": comparison.a.id,
        "b": comparison.b.id,
        **ratio_summary(ratio),
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
        f"{verdict}: {a} takes {_ratio_text(ratio_summary(ratio), with_verdict=False)} times as "
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


def _ratio_text(ratio: dict[str, Any], *, with_verdict: bool = True) -> str:
    low, high = ratio["interval"]
    shown = "any" if high is None else f"{high:.3f}"
    text = f"{ratio['ratio']:.3f} ({low:.3f} to {shown})"
    return f"{text} {ratio['verdict']}" if with_verdict else text
