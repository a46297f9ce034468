"""What ``mobilevit-bench compare`` shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from benchmarks.analysis.statistics import MARGIN, Ratio
from benchmarks.analysis.warnings import warnings_of
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
        "notes": _warnings(comparison),
    }


def print_comparison(comparison: Comparison) -> None:
    """The verdict in one sentence, then the warnings."""
    ratio = comparison.ratio
    console = PlainConsole()
    a, b = comparison.a.id, comparison.b.id
    verdict = {
        "faster": f"{a} is faster than {b}",
        "slower": f"{a} is slower than {b}",
        "no difference": f"no difference between {a} and {b}",
    }[ratio.verdict]
    high = f"{ratio.high:.3f}" if math.isfinite(ratio.high) else "any"
    console.print(
        f"{verdict}: {a} takes {ratio.value:.3f} ({ratio.low:.3f} to {high}) times as long, "
        f"95 % interval; {ratio.rounds} samples, {ratio.processes} processes"
    )
    for text in _warnings(comparison):
        console.print(f"warning: {text}")


def _warnings(comparison: Comparison) -> list[str]:
    texts = [flag.reason for flag in comparison.flags]
    if not comparison.paired:
        texts.append("separate runs: what changed on the machine in between is not covered")
    if not comparison.ratio.between_processes:
        texts.append("fewer than three processes: the next process may differ by more")
    return texts + warnings_of([comparison.a, comparison.b])
