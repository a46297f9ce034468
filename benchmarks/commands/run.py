"""``mobilevit-bench run BUNDLE...``: bundles measured in turn, in one report."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from benchmarks.commands.measuring import measure, plan_of, print_run
from benchmarks.commands.options import add_measuring_arguments, add_report_arguments
from mobilevit_edge.console import add_common_arguments
from mobilevit_edge.errors import ReportError


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: ArgumentParser = subparsers.add_parser(
        "run",
        help="measure bundles",
        description="Measure bundles of mobilevit-export in turn on one core.",
        examples=(
            "mobilevit-bench run BUNDLE BUNDLE",
            "mobilevit-bench run BUNDLE --profile --processes 5",
        ),
    )
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    add_report_arguments(parser, "latency-report.json")
    add_measuring_arguments(parser, processes=3, seconds=10)
    parser.add_argument(
        "--profile", action="store_true", help="also ask the runtime for the time of each operator"
    )
    add_common_arguments(parser)
    parser.set_defaults(command=_run)


def _run(arguments: Namespace) -> None:
    from benchmarks.workloads.bundles import bundle_group

    plan = plan_of(
        arguments,
        [bundle_group(arguments.bundles, "run")],
        cold_starts=True,
        profile=arguments.profile,
    )
    run = measure(plan, arguments.output, resume=arguments.resume)
    from benchmarks.output.run import run_summary, run_tables

    print_run(arguments, run, run_summary, run_tables)
    if not any(row["median_ns"] for row in run_summary(run)["rows"]):
        raise ReportError(f"nothing could be measured; {arguments.output} says why for each bundle")
