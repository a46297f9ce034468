"""ARM instructions of our exports, of the baselines and of the lower bound, under emulation.

    python -m tools.studies.arm_variants --artifacts DIR MODEL...

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
from benchmarks.arm.runtimes import EMULATED_TARGETS, EmulatedTarget
from benchmarks.arm.toolchain import Toolchain
from benchmarks.harness.plan import FileSource
from benchmarks.output.table import Table, print_table, wide_console
from benchmarks.workloads.lower_bound import lower_bound_inputs
from mobilevit_edge.console import run_command
from mobilevit_edge.formats.manifest import TargetName
from mobilevit_edge.models.network import create_meta_model
from mobilevit_edge.specs import SPECS
from tools.command import tool_parser
from tools.studies.options import (
    add_emulation_arguments,
    add_image_size_argument,
    add_models_argument,
    add_runtimes_argument,
    toolchain_of,
)
from tools.studies.variants import (
    BEST_BOUND,
    BEST_COLUMNS,
    RATIOS,
    VARIANTS,
    Key,
    Workload,
    columns,
    convertible_candidates,
    of_all_runtimes,
    of_runtime,
)

_MEGA: Final = 1e6


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    add_models_argument(parser)
    add_runtimes_argument(parser, EMULATED_TARGETS)
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
    precision, size = arguments.precision, arguments.image_size
    variants = arguments.variants or VARIANTS[precision]
    lines, best = [], []
    for name in track(arguments.models, "counting", console=Console(stderr=True)):
        counts: dict[Key, int] = {}
        for runtime in arguments.runtime:
            workload = Workload(name, runtime, precision, size)
            counts |= count_variants(toolchain, processor, workload, variants, arguments.artifacts)
        lines += [_cells(name, runtime, counts, precision) for runtime in arguments.runtime]
        best.append(_best_cells(name, counts))
    title = f"ARM instruction count (emulated {processor.name}), {precision}, "
    title += f"{size}x{size}, millions per inference"
    console = wide_console()
    print_table(console, Table(title, columns(precision), tuple(lines)))
    print_table(console, Table("The fewest of all runtimes", BEST_COLUMNS, tuple(best)))


def count_variants(
    toolchain: Toolchain,
    processor: Processor,
    workload: Workload,
    variants: Sequence[str],
    folder: Path,
) -> dict[Key, int]:
    """Instructions of one inference, for those of ``variants`` that the model has."""
    torch.manual_seed(0)
    network = create_meta_model(SPECS[workload.model], 1)
    inputs = [x.numpy() for x in lower_bound_inputs(network, workload.image_size)]
    runtime = cast("EmulatedTarget", workload.runtime)
    counts: dict[Key, int] = {}
    for candidate in convertible_candidates(workload, variants, folder):
        assert isinstance(candidate.source, FileSource)
        variant = candidate.row.subject.attributes["variant"]
        call = inputs if "lower bound" in variant else inputs[:1]
        model = Path(candidate.source.path)
        found = emulate(toolchain, processor, runtime, model, [call])
        counts[workload.runtime, variant] = found.counts["all"]
    return counts


def _cells(
    name: str, runtime: TargetName, counts: Mapping[Key, int], precision: str
) -> tuple[str, ...]:
    """Millions of instructions by variant, and the ratios of those that were counted."""
    known = of_runtime(counts, runtime)
    millions = (_millions(counts, known.get(v)) for v in (*VARIANTS[precision], BEST_BOUND))
    ratios = (_ratio(counts, known.get(a), known.get(b)) for a, b in RATIOS[precision])
    return (name, runtime, *millions, *ratios)


def _best_cells(name: str, counts: Mapping[Key, int]) -> tuple[str, ...]:
    known = of_all_runtimes(counts)
    ours, baseline, bound = (known.get(v) for v in ("ours", "baseline", BEST_BOUND))
    return (
        name,
        *(_named(counts, key) for key in (ours, baseline)),
        _ratio(counts, baseline, ours),
        _named(counts, bound),
        _ratio(counts, ours, bound),
    )


def _millions(counts: Mapping[Key, int], key: Key | None) -> str:
    return f"{counts[key] / _MEGA:.0f}" if key else "-"


def _named(counts: Mapping[Key, int], key: Key | None) -> str:
    return f"{_millions(counts, key)} ({' '.join(key)})" if key else "-"


def _ratio(counts: Mapping[Key, int], a: Key | None, b: Key | None) -> str:
    return f"{counts[a] / counts[b]:.2f}" if a and b else "-"


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
