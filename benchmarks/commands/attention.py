"""``mobilevit-bench attention``: the MobileViTv2 paper's figure 1 and table 1 on one core."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.commands.options import (
    add_measuring_arguments,
    add_report_arguments,
    measure,
    plan_of,
)
from mobilevit_edge.console import add_common_arguments

if TYPE_CHECKING:
    from mobilevit_edge.formats.report import Run

_LEAST, _MOST = 64, 65_536


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: ArgumentParser = subparsers.add_parser(
        "attention",
        help="measure the three attention units against the number of tokens",
        description="Multi-head, Linformer and separable attention on one core: alone (d = 512, 8 "
        "heads) against the number of tokens, and inside MobileViT-S.",
    )
    parser.add_argument(
        "--max-tokens",
        type=_tokens,
        default=16_384,
        metavar="K",
        help="the largest number of tokens, from 64 on by doubling (default 16384)",
    )
    add_report_arguments(parser, "attention-report.json")
    add_measuring_arguments(parser, processes=3, seconds=2)
    add_common_arguments(parser)
    parser.set_defaults(command=_attention)


def _tokens(text: str) -> int:
    if not re.fullmatch("[0-9]{1,6}", text) or not _LEAST <= int(text) <= _MOST:
        raise ArgumentTypeError(f"{text!r} is not a whole number from {_LEAST} to {_MOST}")
    return int(text)


def _attention(arguments: Namespace) -> None:
    from benchmarks.harness.machine import this_device
    from benchmarks.workloads.attention import attention_groups

    groups = attention_groups(arguments.max_tokens, this_device().memory_bytes)
    plan = plan_of(arguments, groups)
    run = _profiled(measure(plan, arguments.output, resume=arguments.resume), arguments.output)
    from benchmarks.output.attention import attention_summary, attention_tables
    from benchmarks.output.summaries import print_tables

    if arguments.json:
        print(json.dumps({"report": str(arguments.output), **attention_summary(run)}))
    else:
        print_tables(attention_tables(run), run, arguments.output)


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
