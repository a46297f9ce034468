"""The least time of every operator over many profiles of a bundle, kind by kind, beside others.

    python -m tools.studies.operator_minima BUNDLE BUNDLE

A runtime's own profiler times single operators, of which some are always left alone by whatever
else a machine does: their minima, added up, say where two runtimes differ where whole inferences
cannot. The profiler's own cost is in every figure.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track

from benchmarks.output.table import Table, print_table, wide_console
from converters.quiet import quiet
from converters.targets.base import target_to_run
from mobilevit_edge.arguments import whole_number
from mobilevit_edge.console import run_command
from mobilevit_edge.formats.bundle import Bundle, read_bundle
from mobilevit_edge.formats.report import Profile
from tools.command import tool_parser

_MEGA: Final = 1e6
_MOST: Final = 10_000


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    parser.add_argument(
        "--repeats",
        type=whole_number(1, _MOST),
        default=100,
        metavar="N",
        help="profiles of each (default 100)",
    )
    return parser


def command(arguments: Namespace) -> None:
    """Profile and print a table."""
    found = {}
    for path in arguments.bundles:
        bundle = read_bundle(path)
        repeats = track(range(arguments.repeats), path.name, console=Console(stderr=True))
        found[path.name] = minima([profile_once(bundle) for _ in repeats])
    print_table(wide_console(), minima_table(found))


def profile_once(bundle: Bundle) -> Profile:
    """One inference, after those that warm up."""
    with quiet():
        return target_to_run(bundle.manifest.target).profile(bundle.model_path, 1)


def minima(profiles: Sequence[Profile]) -> dict[str, float]:
    """Nanoseconds by kind of operator: the sum of its operators' minima."""
    least: dict[tuple[str, str], float] = {}
    for profile in profiles:
        for operator in profile.operators:
            key = (operator.kind, operator.name)
            took = operator.total_ns / max(1, operator.calls)
            least[key] = min(took, least.get(key, took))
    sums: dict[str, float] = defaultdict(float)
    for (kind, _), took in least.items():
        sums[kind] += took
    return dict(sums)


def minima_table(found: Mapping[str, Mapping[str, float]]) -> Table:
    """A row a kind, those that take longest anywhere first; then the sums."""
    longest = {kind: max(of.get(kind, 0) for of in found.values()) for kind in _kinds(found)}
    rows = [
        (kind, *(f"{of[kind] / _MEGA:.3f}" if kind in of else "-" for of in found.values()))
        for kind in sorted(longest, key=lambda kind: -longest[kind])
    ]
    sums = (f"{sum(of.values()) / _MEGA:.3f}" for of in found.values())
    return Table(
        title="Sums of operators' minima, ms",
        columns=("operator", *found),
        rows=(*rows, ("all", *sums)),
    )


def _kinds(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(kind for of in found.values() for kind in of))


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
