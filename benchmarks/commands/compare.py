"""``mobilevit-bench compare A B``: faster, slower or no difference."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.commands.measuring import measure, plan_of
from benchmarks.commands.options import add_measuring_arguments
from mobilevit_edge.console import add_common_arguments
from mobilevit_edge.errors import ReportError, UsageError

if TYPE_CHECKING:
    from benchmarks.output.compare import Comparison
    from mobilevit_edge.formats.report import LatencyRow


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: ArgumentParser = subparsers.add_parser(
        "compare",
        help="say which of two is faster",
        description="Say whether A is faster or slower than B, or neither. Two bundles are "
        "measured in turn, in many processes; two reports are compared row by row by their names, "
        "which does not cover what changed on the machine in between.",
        examples=(
            "mobilevit-bench compare plain rewritten",
            "mobilevit-bench compare before.json after.json",
        ),
    )
    parser.add_argument("a", type=Path, metavar="A", help="a bundle or a report")
    parser.add_argument("b", type=Path, metavar="B", help="another of the same kind")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="keep the report (bundles only)"
    )
    add_measuring_arguments(parser, processes=10, seconds=2)
    add_common_arguments(parser)
    parser.set_defaults(command=_compare)


def _compare(arguments: Namespace) -> None:
    paths = (arguments.a, arguments.b)
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path} does not exist: name two bundles or two reports")
    if len({path.is_dir() for path in paths}) == 2:
        raise UsageError(f"{paths[0]} and {paths[1]}: name two bundles or two reports")
    if paths[0].is_dir():
        comparisons = [_compare_bundles(arguments)]
    elif arguments.output is not None:
        raise UsageError("--output needs two bundles: comparing reports measures nothing")
    else:
        comparisons = _compare_reports(*paths)
    from benchmarks.output.compare import comparison_summary, print_comparison

    if arguments.json:
        print(json.dumps({"comparisons": [comparison_summary(c) for c in comparisons]}))
        return
    for comparison in comparisons:
        print_comparison(comparison)


def _compare_bundles(arguments: Namespace) -> Comparison:
    from benchmarks.analysis.comparison import compare_in_run
    from benchmarks.output.compare import Comparison
    from benchmarks.workloads.bundles import bundle_group
    from mobilevit_edge.formats.report import LatencyRow

    plan = plan_of(arguments, [bundle_group([arguments.a, arguments.b], "compare")])
    run = measure(plan, arguments.output, resume=False)
    a, b = (row for row in run.rows if isinstance(row, LatencyRow))
    ratio = compare_in_run(a, b)
    if ratio is None:
        raise ReportError("; ".join(_why_not(row) for row in (a, b) if _why_not(row)))
    return Comparison(a, b, ratio, run.flags, paired=True)


def _compare_reports(path_a: Path, path_b: Path) -> list[Comparison]:
    from benchmarks.analysis.comparison import compare_across_runs
    from benchmarks.output.compare import Comparison

    a, b = (_measured_rows(path) for path in (path_a, path_b))
    pairs = [(a[name], b[name]) for name in a if name in b]
    if len(a) == len(b) == 1:
        pairs = list(zip(a.values(), b.values(), strict=True))
    if not pairs:
        raise ReportError(f"{path_a} and {path_b} have no row of the same name")
    return [
        Comparison(x, y, ratio, (), paired=False)
        for x, y in pairs
        if (ratio := compare_across_runs(x, y)) is not None
    ]


def _measured_rows(path: Path) -> dict[str, LatencyRow]:
    """Rows with samples by name. Raises ReportError if there are none, or two of the same name."""
    from benchmarks.analysis.quality_flags import usable_series
    from mobilevit_edge.formats.report import LatencyRow, read_report

    rows: dict[str, LatencyRow] = {}
    for row in (row for run in read_report(path).runs for row in run.rows):
        if isinstance(row, LatencyRow) and usable_series(row):
            if row.id in rows:
                raise ReportError(
                    f"{path} holds the row {row.id} in two runs: name a report with one"
                )
            rows[row.id] = row
    if not rows:
        raise ReportError(f"{path} holds no latency samples")
    return rows


def _why_not(row: LatencyRow) -> str:
    reasons = [row.not_run] if row.not_run else [f.reason for s in row.series for f in s.flags]
    return f"{row.id}: {'; '.join(reasons)}" if reasons else ""
