"""``mobilevit-bench arm``: bundles as ARM code under emulation."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from benchmarks.arm.processors import PROCESSORS
from benchmarks.commands.options import add_record_arguments, check_records
from mobilevit_edge.console import add_common_arguments, progress


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    parser: ArgumentParser = subparsers.add_parser(
        "arm",
        help="count ARM instructions under emulation",
        description="Run ONNX, ExecuTorch and LiteRT bundles as 64-bit ARM code under QEMU: the "
        "answers must match this machine's (else exit code 6), and the executed instructions of "
        "one inference are counted. A count is not a latency. The first use gathers QEMU, Debian's "
        "arm64 libraries and the runtimes into a cache; without bundles that is all it does.",
        examples=("mobilevit-bench arm BUNDLE --images photos/",),
    )
    parser.add_argument("bundles", type=Path, nargs="*", metavar="BUNDLE")
    parser.add_argument(
        "--cpu",
        choices=list(PROCESSORS),
        nargs="+",
        default=["cortex-a76"],
        help="processors to emulate (default cortex-a76)",
    )
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="photos to compare the answers on, up to 16"
    )
    parser.add_argument(
        "--toolchain",
        type=Path,
        metavar="DIR",
        help="where the toolchain is kept (default mobilevit-edge/arm in the user's cache)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("arm-report.json"),
        metavar="FILE",
        help="the report (default arm-report.json)",
    )
    add_record_arguments(parser, "counts")
    add_common_arguments(parser)
    parser.set_defaults(command=_arm)


def _arm(arguments: Namespace) -> None:
    from benchmarks.arm.toolchain import default_folder, set_up

    folder = (arguments.toolchain or default_folder()).resolve()
    if not arguments.bundles:
        with progress() as show:
            set_up(folder, show)
        print(json.dumps({"toolchain": str(folder)}) if arguments.json else f"ready: {folder}")
        return
    from benchmarks.analysis.record import check_record, write_record
    from benchmarks.arm.answers import check_answers
    from benchmarks.arm.counting import allowed_change, count_instructions, counting_jobs, run_of
    from benchmarks.output.arm import arm_summary, arm_table
    from benchmarks.output.table import print_table, wide_console
    from mobilevit_edge.errors import ReportError
    from mobilevit_edge.formats.report import SCHEMA_VERSION, Report, write_report

    check_records(arguments)
    jobs = counting_jobs(arguments.bundles, [PROCESSORS[name] for name in arguments.cpu])
    rows = []
    with progress() as show:
        toolchain = set_up(folder, show)
        for job in jobs:
            rows.append(count_instructions(job, toolchain, arguments.images, show))
            # Written as it goes: an interrupted run keeps what it has.
            write_report(Report(SCHEMA_VERSION, (run_of(rows),)), arguments.output)
    if arguments.json:
        print(json.dumps({"report": str(arguments.output), "rows": arm_summary(rows)}))
    else:
        console = wide_console()
        print_table(console, arm_table(rows))
        console.print(f"report: {arguments.output}")
    emulated = [row for job, row in zip(jobs, rows, strict=True) if job.row.not_run is None]
    if not emulated:
        raise ReportError(f"nothing could be counted: {rows[0].not_run}")
    check_answers(emulated)
    if arguments.record is not None:
        write_record(rows, arguments.record)
    if arguments.check is not None:
        check_record(rows, arguments.check, allowed_change)
