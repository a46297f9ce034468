"""``mobilevit-bench attention``: the MobileViTv2 paper's figure 1 and table 1 on one core."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.commands.measuring import measure, plan_of, print_run
from benchmarks.commands.options import add_measuring_arguments, add_report_arguments
from mobilevit_edge.arguments import whole_number
from mobilevit_edge.console import add_common_arguments

if TYPE_CHECKING:
    from mobilevit_edge.formats.report import Run

_LEAST_TOKENS: Final = 64
_MOST_TOKENS: Final = 65_536
_DEFAULT_TOKENS: Final = 16_384


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: ArgumentParser = subparsers.add_parser(
        "attention",
        help="measure the three attention units against the number of tokens",
        description="Multi-head, Linformer and separable attention on one core: alone (d = 512, 8 "
        "heads) against the number of tokens, and inside MobileViT-S.",
        examples=("mobilevit-bench attention",),
    )
    parser.add_argument(
        "--max-tokens",
        type=whole_number(_LEAST_TOKENS, _MOST_TOKENS),
        default=_DEFAULT_TOKENS,
        metavar="K",
        help=f"the largest number of tokens, doubling from {_LEAST_TOKENS} "
        f"(default {_DEFAULT_TOKENS})",
    )
    add_report_arguments(parser, "attention-report.json")
    add_measuring_arguments(parser, processes=3, seconds=2)
    add_common_arguments(parser)
    parser.set_defaults(command=_attention)


def _attention(arguments: Namespace) -> None:
    from benchmarks.harness.machine import this_device
    from benchmarks.workloads.attention import attention_groups

    groups = attention_groups(arguments.max_tokens, this_device().memory_bytes)
    plan = plan_of(arguments, groups)
    run = _profiled(measure(plan, arguments.output, resume=arguments.resume), arguments.output)
    from benchmarks.output.attention import attention_summary, attention_tables

    print_run(arguments, run, attention_summary, attention_tables)


def _profiled(run: Run, output: Path) -> Run:
    """The run with the operators of each unit at 256 tokens, saved again."""
    from benchmarks.workloads.attention import PROFILED_TOKENS, profile_unit
    from mobilevit_edge.formats.report import SCHEMA_VERSION, LatencyRow, Report, write_report
    from mobilevit_edge.specs import ATTENTIONS

    profiled = {f"{kind} {PROFILED_TOKENS}": kind for kind in ATTENTIONS}
    rows = tuple(
        replace(row, profile=profile_unit(profiled[row.id]))
        if isinstance(row, LatencyRow) and row.id in profiled and row.profile is None
        else row
        for row in run.rows
    )
    run = replace(run, rows=rows)
    write_report(Report(SCHEMA_VERSION, (run,)), output)
    return run
