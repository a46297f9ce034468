"""``mobilevit-bench npu``: bundles on the simulated NPU of Qualcomm's chips."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.commands.options import add_record_arguments, check_records
from mobilevit_edge.console import add_common_arguments, progress

_DEFAULT: Final = ["sm8650", "sa8255"]


def register(subparsers: Any) -> None:
    """Add the subcommand."""
    from converters.targets.onnx.npu.chips import CHIPS

    parser: ArgumentParser = subparsers.add_parser(
        "npu",
        help="compile for Qualcomm's NPU and simulate it",
        description="Compile ONNX bundles with Qualcomm's own compiler for the Hexagon NPU: "
        "whether a chip takes the whole graph (else exit code 6), and the time that the compiler "
        "simulates, where it does. Simulated, not a phone's latency. Needs the extra npu, on "
        "Linux.",
        examples=("mobilevit-bench npu BUNDLE --soc sa8255 --images photos/",),
    )
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
    parser.add_argument(
        "--soc",
        choices=list(CHIPS),
        nargs="+",
        default=_DEFAULT,
        help=f"chips to compile for (default {' and '.join(_DEFAULT)}; sa8255 and sa8797 have "
        f"simulated times)",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="photos to compare the emulated unit's answers on, up to 32: seconds each",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="also show where the simulated time goes, by operator and by block",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("npu-report.json"),
        metavar="FILE",
        help="the report (default npu-report.json)",
    )
    add_record_arguments(parser, "figures")
    add_common_arguments(parser)
    parser.set_defaults(command=_npu)


def _npu(arguments: Namespace) -> None:
    from benchmarks.analysis.record import check_record, write_record
    from benchmarks.npu.simulation import (
        allowed_change,
        check_taken,
        lower_bound,
        recorded,
        run_of,
        simulate,
        simulation_jobs,
    )
    from benchmarks.output.npu import npu_summary, npu_tables
    from benchmarks.output.table import print_table, wide_console
    from converters.targets.onnx.npu.chips import CHIPS
    from converters.targets.onnx.npu.compiler import LICENSE, require_compiler
    from mobilevit_edge.formats.report import SCHEMA_VERSION, Report, SimulationRow, write_report

    check_records(arguments)
    version = require_compiler()
    jobs = simulation_jobs(arguments.bundles, [CHIPS[name] for name in arguments.soc], version)
    rows: list[SimulationRow] = []
    bounds: list[SimulationRow] = []
    with progress() as show:
        for job in jobs:
            row = simulate(job, arguments.images, show, profile=arguments.profile)
            if job.chip.simulated:
                show(f"compiling the lower bound of {job.row.id}")
                bound = lower_bound(job)
                if bound is not None:
                    bounds.append(bound)
                    row = replace(row, limit_row=bound.id)
            rows.append(row)
            # Written as it goes: an interrupted run keeps what it has.
            report = Report(SCHEMA_VERSION, (run_of([*rows, *bounds]),))
            write_report(report, arguments.output)
    if arguments.json:
        summary = npu_summary([*rows, *bounds])
        print(json.dumps({"report": str(arguments.output), "license": LICENSE, "rows": summary}))
    else:
        console = wide_console()
        for table in npu_tables(run_of([*rows, *bounds])):
            print_table(console, table)
        console.print(f"report: {arguments.output}")
        console.print(LICENSE)
    check_taken(rows)
    if arguments.record is not None:
        write_record(recorded(rows), arguments.record)
    if arguments.check is not None:
        check_record(recorded(rows), arguments.check, allowed_change)
