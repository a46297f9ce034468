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
from mobilevit_edge.console import run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``mobilevit-bench``."""
    return run_command(bench_parser(), _command, argv)


def bench_parser() -> ArgumentParser:
    """The subcommands of ``mobilevit-bench`` and their options."""
    parser = ArgumentParser(
        prog="mobilevit-bench",
        description="Measure models on one core, with raw samples and honest intervals.",
        epilog="exit codes: 0 done, 2 usage, 3 package or device missing, 4 bad input, "
        "5 a compiler failed, 6 answers differ, a graph is not taken, or recorded counts changed",
    )
    subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
    for module in (models, blocks, attention, run, compare, report, arm, npu, device):
        module.register(subparsers)
    return parser


def _command(arguments: Namespace) -> None:
    check_outputs(arguments)
    arguments.command(arguments)


if __name__ == "__main__":
    sys.exit(main())
