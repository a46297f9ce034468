"""Latency of our exports against the baselines and against the lower bound, in turn on one core.

    python -m tools.studies.vs_baseline --artifacts DIR --output FILE MODEL...
    python -m tools.studies.vs_baseline --precision int8 ...

:mod:`tools.studies.variants` says what is compared. All runtimes' variants of a model take turns,
and in fp32 those of other engines that are installed (``pip install openvino MNN``).
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from benchmarks.analysis.comparison import compare_in_run, summarize_row
from benchmarks.commands.measuring import measure, plan_of
from benchmarks.commands.options import add_measuring_arguments, add_report_arguments
from benchmarks.harness.plan import Candidate, Group
from benchmarks.output.summaries import print_tables
from benchmarks.output.table import Table
from benchmarks.workloads.targets import MODULE_TARGETS
from mobilevit_edge.console import run_command
from mobilevit_edge.formats.manifest import TargetName
from mobilevit_edge.formats.report import LatencyRow, Run
from tools.command import tool_parser
from tools.studies.onnx_readers import reader_candidates
from tools.studies.options import (
    add_image_size_argument,
    add_models_argument,
    add_runtimes_argument,
)
from tools.studies.variants import (
    BASELINES,
    BEST_BOUND,
    BEST_COLUMNS,
    OURS,
    RATIOS,
    VARIANTS,
    Key,
    Workload,
    columns,
    convertible_candidates,
    of_all_runtimes,
    of_runtime,
)


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    add_models_argument(parser)
    add_runtimes_argument(parser, MODULE_TARGETS)
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
        workloads = [Workload(name, runtime, precision, size) for runtime in arguments.runtime]
        found = {
            workload.runtime: convertible_candidates(
                workload, VARIANTS[precision], arguments.artifacts
            )
            for workload in workloads
        }
        others = () if precision != "fp32" else reader_candidates(_networks(found))
        groups.append(Group(name, (*chain.from_iterable(found.values()), *others)))
    run = measure(plan_of(arguments, groups), arguments.output, resume=arguments.resume)
    print_tables(variants_tables(run, precision, size), run, arguments.output)


def _networks(found: Mapping[TargetName, Sequence[Candidate]]) -> list[Candidate]:
    """The ONNX files of whole networks."""
    variants = (OURS, *BASELINES)
    onnx = found.get("onnx", ())
    return [one for one in onnx if one.row.subject.attributes["variant"] in variants]


def variants_tables(run: Run, precision: str, image_size: int) -> tuple[Table, Table]:
    """Medians, and ratios with their intervals, by runtime; then each model's fastest."""
    models: dict[str, dict[Key, LatencyRow]] = {}
    for row in run.rows:
        assert isinstance(row, LatencyRow)
        about = row.subject
        key = (about.target or "", about.attributes["variant"])
        models.setdefault(about.model or "", {})[key] = row
    title = f"{precision}, {image_size}x{image_size}, one core, medians in ms"
    lines, best = [], []
    for name, rows in models.items():
        medians = {key: s.median for key, row in rows.items() if (s := summarize_row(row))}
        for runtime in dict.fromkeys(runtime for runtime, _ in rows):
            known = of_runtime(medians, runtime)
            figures = (_median(medians, known.get(v)) for v in (*VARIANTS[precision], BEST_BOUND))
            ratios = (_ratio(rows, known.get(a), known.get(b)) for a, b in RATIOS[precision])
            lines.append((name, runtime, *figures, *ratios))
        known = of_all_runtimes(medians)
        ours, baseline, bound = (known.get(v) for v in ("ours", "baseline", BEST_BOUND))
        best.append(
            (
                name,
                *(_named(medians, key) for key in (ours, baseline)),
                _ratio(rows, baseline, ours),
                _named(medians, bound),
                _ratio(rows, ours, bound),
            )
        )
    return (
        Table(title=title, columns=columns(precision), rows=tuple(lines)),
        Table(title="The fastest of all runtimes", columns=BEST_COLUMNS, rows=tuple(best)),
    )


def _median(medians: Mapping[Key, float], key: Key | None) -> str:
    return f"{medians[key] / 1e6:.2f}" if key else "-"


def _named(medians: Mapping[Key, float], key: Key | None) -> str:
    return f"{_median(medians, key)} ({' '.join(key)})" if key else "-"


def _ratio(rows: Mapping[Key, LatencyRow], a: Key | None, b: Key | None) -> str:
    ratio = compare_in_run(rows[a], rows[b]) if a and b else None
    return f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})" if ratio else "-"


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
