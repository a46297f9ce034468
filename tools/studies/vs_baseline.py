"""Latency of our exports against the baselines and against the lower bound, in turn on one core.

    python -m tools.studies.vs_baseline --runtime executorch --artifacts DIR --output FILE MODEL...
    python -m tools.studies.vs_baseline --precision int8 ...

:mod:`tools.studies.variants` says what is compared.
"""

from __future__ import annotations

import math
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

from benchmarks.analysis.comparison import compare_in_run, summarize_row
from benchmarks.commands.measuring import measure, plan_of
from benchmarks.commands.options import add_measuring_arguments, add_report_arguments
from benchmarks.harness.plan import Group
from benchmarks.output.summaries import print_tables
from benchmarks.output.table import Table
from benchmarks.workloads.targets import MODULE_TARGETS
from mobilevit_edge.console import run_command
from mobilevit_edge.formats.report import LatencyRow, Run
from tools.command import tool_parser
from tools.studies.options import add_image_size_argument, add_models_argument
from tools.studies.variants import BASELINES, RATIOS, VARIANTS, Workload, candidates, columns


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    add_models_argument(parser)
    parser.add_argument("--runtime", choices=MODULE_TARGETS, required=True)
    parser.add_argument("--precision", choices=tuple(VARIANTS), default="fp32")
    parser.add_argument("--artifacts", type=Path, required=True, metavar="DIR")
    add_image_size_argument(parser)
    add_report_arguments(parser, "vs-baseline.json")
    add_measuring_arguments(parser, processes=5, seconds=4)
    return parser


def command(arguments: Namespace) -> None:
    """Measure and print a table; the report goes to ``--output``."""
    precision, size = arguments.precision, arguments.image_size
    arguments.artifacts.mkdir(parents=True, exist_ok=True)
    groups = []
    for name in arguments.models:
        workload = Workload(name, arguments.runtime, precision, size)
        groups.append(Group(name, candidates(workload, VARIANTS[precision], arguments.artifacts)))
    run = measure(plan_of(arguments, groups), arguments.output, resume=arguments.resume)
    print_tables((variants_table(run, precision, size),), run, arguments.output)


def variants_table(run: Run, precision: str, image_size: int) -> Table:
    """Medians, and ratios with their intervals."""
    models: dict[str, dict[str, LatencyRow]] = {}
    for row in run.rows:
        assert isinstance(row, LatencyRow)
        models.setdefault(row.subject.model or "", {})[row.subject.attributes["variant"]] = row
    lines = []
    for name, rows in models.items():
        medians = (_median(rows.get(variant)) for variant in VARIANTS[precision])
        known = {**rows, "baseline": _baseline(rows)}
        ratios = (_ratio(known.get(a), known.get(b)) for a, b in RATIOS[precision])
        lines.append((name, *medians, *ratios))
    return Table(
        title=f"{precision}, {image_size}x{image_size}, one core, medians in ms",
        columns=columns(precision),
        rows=tuple(lines),
    )


def _baseline(rows: Mapping[str, LatencyRow]) -> LatencyRow:
    """The faster of the baselines."""
    found = [rows[variant] for variant in BASELINES if variant in rows]
    medians = {row.id: summary.median for row in found if (summary := summarize_row(row))}
    return min(found, key=lambda row: medians.get(row.id, math.inf))


def _median(row: LatencyRow | None) -> str:
    summary = summarize_row(row) if row else None
    return f"{summary.median / 1e6:.2f}" if summary else "-"


def _ratio(a: LatencyRow | None, b: LatencyRow | None) -> str:
    ratio = compare_in_run(a, b) if a and b else None
    return f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else "-"


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
