"""``mobilevit-bench blocks``: a network part by part on one core."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from benchmarks.commands.measuring import measure, plan_of, print_run
from benchmarks.commands.options import (
    add_artifacts_argument,
    add_measuring_arguments,
    add_report_arguments,
    model_name,
)
from benchmarks.workloads.targets import BLOCK_TARGETS
from mobilevit_edge.console import add_common_arguments, progress


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: ArgumentParser = subparsers.add_parser(
        "blocks",
        help="measure every part of a network",
        description="Stem, every inverted residual, every MobileViT block with its local part, "
        "attention layers, feed-forward layers and fusion, and the head: each exported by itself "
        "and measured in turn with the whole network and with its lower bound. Weights are random.",
        examples=("mobilevit-bench blocks --model mobilevit_s",),
    )
    parser.add_argument("--model", type=model_name, required=True, metavar="NAME")
    parser.add_argument(
        "--target",
        choices=BLOCK_TARGETS,
        nargs="+",
        default=list(BLOCK_TARGETS),
        help="runtimes (default: all)",
    )
    parser.add_argument(
        "--image-size", type=int, choices=range(64, 1025, 64), default=256, metavar="PIXELS"
    )
    add_artifacts_argument(parser)
    add_report_arguments(parser, "blocks-report.json")
    add_measuring_arguments(parser, processes=3, seconds=1)
    add_common_arguments(parser)
    parser.set_defaults(command=_blocks)


def _blocks(arguments: Namespace) -> None:
    from benchmarks.workloads.blocks import block_groups

    with progress() as show:
        groups = block_groups(
            arguments.model, arguments.target, arguments.image_size, arguments.artifacts, show
        )
    plan = plan_of(arguments, groups)
    run = measure(plan, arguments.output, resume=arguments.resume)
    from benchmarks.output.blocks import blocks_summary, blocks_tables

    print_run(arguments, run, blocks_summary, blocks_tables)
