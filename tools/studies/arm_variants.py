"""ARM instructions of our exports, of the plain ones, and of the limit.

    python -m tools.studies.arm_variants --runtime executorch --artifacts DIR MODEL...

The same files as ``tools.studies.vs_baseline`` measures, on an emulated processor.
"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from rich.progress import track

from benchmarks.arm.emulation import emulate
from benchmarks.arm.processors import PROCESSORS
from benchmarks.arm.toolchain import default_folder, set_up
from benchmarks.harness.plan import FileSource
from benchmarks.output.table import Table, print_table, wide_console
from benchmarks.workloads.artifacts import FILE_TARGETS
from benchmarks.workloads.lower_bound import lower_bound_inputs
from mobilevit_edge.models.network import create_meta_model
from mobilevit_edge.specs import SPECS
from tools.studies.vs_baseline import FORMS, IMAGE_SIZE, RATIOS, candidates

_MEGA: Final = 1e6


def main() -> None:
    """Count and print a table in millions of instructions."""
    parser = ArgumentParser(description="ARM instructions of ours, plain ones and the limit.")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--runtime", choices=FILE_TARGETS, required=True)
    parser.add_argument("--precision", choices=tuple(FORMS), default="fp32")
    parser.add_argument(
        "--forms",
        nargs="+",
        choices=sorted({form for forms in FORMS.values() for form in forms}),
        metavar="FORM",
        help="default: all of the precision",
    )
    parser.add_argument("--cpu", choices=PROCESSORS, default="cortex-a76")
    parser.add_argument("--artifacts", type=Path, required=True, metavar="DIR")
    parser.add_argument("--toolchain", type=Path, default=default_folder(), metavar="DIR")
    arguments = parser.parse_args()
    arguments.artifacts.mkdir(parents=True, exist_ok=True)
    toolchain = set_up(arguments.toolchain.resolve(), lambda step: None)
    processor = PROCESSORS[arguments.cpu]
    runtime, precision = arguments.runtime, arguments.precision
    forms = arguments.forms or FORMS[precision]
    counts: dict[str, dict[str, int]] = {}
    for name in track(arguments.models, "counting", console=Console(stderr=True)):
        torch.manual_seed(0)
        inputs = [
            x.numpy() for x in lower_bound_inputs(create_meta_model(SPECS[name], 1), IMAGE_SIZE)
        ]
        counts[name] = {}
        for candidate in candidates(runtime, name, precision, arguments.artifacts, forms):
            assert isinstance(candidate.source, FileSource)
            form = candidate.row.subject.attributes["form"]
            given = inputs if "limit" in form else inputs[:1]
            path = Path(candidate.source.path)
            found = emulate(toolchain, processor, runtime, path, [given])
            counts[name][form] = found.counts["all"]
    print_table(wide_console(), forms_table(counts, processor.name, runtime, precision))


def forms_table(
    counts: dict[str, dict[str, int]], processor: str, runtime: str, precision: str
) -> Table:
    """Millions of instructions by form, and ratios of what was counted."""
    forms = FORMS[precision]
    ratios = RATIOS[precision]
    rows = []
    for name, found in counts.items():
        plain = [found[form] for form in ("reference", "transformers") if form in found]
        known = {**found, "plain": min(plain)} if plain else found
        rows.append(
            (
                name,
                *(f"{found[form] / _MEGA:.0f}" if form in found else "-" for form in forms),
                *(f"{known[a] / known[b]:.2f}" if {a, b} <= {*known} else "-" for a, b in ratios),
            )
        )
    return Table(
        title=f"ARM instruction count (emulated {processor}), {runtime} {precision}, "
        f"{IMAGE_SIZE}x{IMAGE_SIZE}, millions an inference",
        columns=("model", *forms, *(f"{a} / {b}" for a, b in ratios)),
        rows=tuple(rows),
    )


if __name__ == "__main__":
    main()
