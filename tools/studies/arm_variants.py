"""ARM instructions of our exports, of the baselines and of the lower bound, under emulation.

    python -m tools.studies.arm_variants --runtime executorch --artifacts DIR MODEL...

The files are those that :mod:`tools.studies.vs_baseline` measures.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import torch
from rich.console import Console
from rich.progress import track

from benchmarks.arm.emulation import emulate
from benchmarks.arm.processors import PROCESSORS, Processor
from benchmarks.arm.toolchain import EMULATED_TARGETS, EmulatedTarget, Toolchain
from benchmarks.harness.plan import FileSource
from benchmarks.output.table import Table, print_table, wide_console
from benchmarks.workloads.lower_bound import lower_bound_inputs
from mobilevit_edge.console import run_command
from mobilevit_edge.models.network import create_meta_model
from mobilevit_edge.specs import SPECS
from tools.command import tool_parser
from tools.studies.options import (
    add_emulation_arguments,
    add_image_size_argument,
    add_models_argument,
    toolchain_of,
)
from tools.studies.variants import BASELINES, RATIOS, VARIANTS, Workload, candidates, columns

_MEGA: Final = 1e6


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    add_models_argument(parser)
    parser.add_argument("--runtime", choices=EMULATED_TARGETS, required=True)
    parser.add_argument("--precision", choices=tuple(VARIANTS), default="fp32")
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=sorted({variant for variants in VARIANTS.values() for variant in variants}),
        metavar="VARIANT",
        help="default: all of the precision",
    )
    parser.add_argument("--artifacts", type=Path, required=True, metavar="DIR")
    add_image_size_argument(parser)
    add_emulation_arguments(parser)
    return parser


def command(arguments: Namespace) -> None:
    """Count and print a table in millions of instructions."""
    arguments.artifacts.mkdir(parents=True, exist_ok=True)
    toolchain, processor = toolchain_of(arguments), PROCESSORS[arguments.cpu]
    runtime, precision, size = arguments.runtime, arguments.precision, arguments.image_size
    variants = arguments.variants or VARIANTS[precision]
    counts = {}
    for name in track(arguments.models, "counting", console=Console(stderr=True)):
        workload = Workload(name, runtime, precision, size)
        counts[name] = count_variants(toolchain, processor, workload, variants, arguments.artifacts)
    title = f"ARM instruction count (emulated {processor.name}), {runtime} {precision}, "
    title += f"{size}x{size}, millions per inference"
    rows = tuple(_cells(name, found, precision) for name, found in counts.items())
    print_table(wide_console(), Table(title, columns(precision), rows))


def count_variants(
    toolchain: Toolchain,
    processor: Processor,
    workload: Workload,
    variants: Sequence[str],
    folder: Path,
) -> dict[str, int]:
    """Instructions of one inference, for those of ``variants`` that the model has."""
    torch.manual_seed(0)
    network = create_meta_model(SPECS[workload.model], 1)
    inputs = [x.numpy() for x in lower_bound_inputs(network, workload.image_size)]
    runtime = cast("EmulatedTarget", workload.runtime)
    counts = {}
    for candidate in candidates(workload, variants, folder):
        assert isinstance(candidate.source, FileSource)
        variant = candidate.row.subject.attributes["variant"]
        call = inputs if "lower bound" in variant else inputs[:1]
        model = Path(candidate.source.path)
        found = emulate(toolchain, processor, runtime, model, [call])
        counts[variant] = found.counts["all"]
    return counts


def _cells(name: str, counts: Mapping[str, int], precision: str) -> tuple[str, ...]:
    """Millions of instructions by variant, and the ratios of those that were counted."""
    millions = (f"{counts[v] / _MEGA:.0f}" if v in counts else "-" for v in VARIANTS[precision])
    known = dict(counts)
    baselines = [counts[variant] for variant in BASELINES if variant in counts]
    if baselines:
        known["baseline"] = min(baselines)
    ratios = (
        f"{known[a] / known[b]:.2f}" if {a, b} <= known.keys() else "-"
        for a, b in RATIOS[precision]
    )
    return (name, *millions, *ratios)


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
