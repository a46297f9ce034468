"""Check that Python can read the latency reports that an app has written.

python -m tools.read_reports FOLDER
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.output.run import run_summary, run_tables
from mobilevit_edge.console import run_command
from mobilevit_edge.formats.report import read_report
from tools.app_check import CheckError
from tools.command import tool_parser


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    return parser


def command(arguments: Namespace) -> None:
    """Read and summarize every report.

    Raises:
        CheckError: there is no report, or a run of one shows nothing.
        ReportError: a report is not valid.
    """
    files = sorted(arguments.folder.glob("*.json"))
    if not files:
        raise CheckError(f"{arguments.folder} contains no report")
    for file in files:
        for run in read_report(file).runs:
            if not run_tables(run) or not run_summary(run):
                raise CheckError(f"{file.name} has a run with nothing to show")
    print(f"{len(files)} reports are valid")


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
