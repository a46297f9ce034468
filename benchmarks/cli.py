"""The command ``mobilevit-bench``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from benchmarks.commands import (
    arm,
    attention,
    blocks,
    compare,
    device,
    models,
    npu,
    report,
    run,
)
from benchmarks.commands.options import check_outputs
from mobilevit_edge.command_parser import CommandParser
from mobilevit_edge.console import run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``mobilevit-bench``."""
    return run_command(bench_parser(), _command, argv)


def bench_parser() -> ArgumentParser:
    """The subcommands of ``mobilevit-bench`` and their options."""
    parser = CommandParser(
        prog="mobilevit-bench",
        description="Measure models on one core, with raw samples and honest intervals.",
        examples=(
            "mobilevit-bench models --target onnx executorch --budget-ms 20   # which to choose",
            "mobilevit-bench run BUNDLE BUNDLE --profile                      # your bundles here",
            "mobilevit-bench compare BUNDLE BUNDLE                            # which is faster",
            "mobilevit-bench device browser BUNDLE --host 0.0.0.0             # on your phone",
            "mobilevit-bench report FILE FILE --html page.html                # all on one page",
            "mobilevit-bench COMMAND --help                                   # its options",
        ),
        exit_codes="0 done, 2 usage, 3 package or device missing, 4 bad input, "
        "5 a compiler failed, 6 answers differ, a graph is not taken, or recorded counts changed",
    )
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for module in (models, blocks, attention, run, compare, report, arm, npu, device):
        module.register(subparsers)
    parser.add_version()
    return parser


def _command(arguments: Namespace) -> None:
    check_outputs(arguments)
    arguments.command(arguments)


if __name__ == "__main__":
    sys.exit(main())
