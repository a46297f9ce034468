"""Operators of Core ML programs: our export and the usual implementations, by one converter.

    python -m tools.studies.coreml_operators MODEL...

The reference model unfolds patches as timm does, by a transpose of six axes; transformers has the
other usual implementation. What coremltools refuses is shown with its reason.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.workloads.artifacts import random_network, rewrite
from converters.quiet import quiet
from mobilevit_edge.console import run_command
from tools.command import tool_parser
from tools.studies.options import add_image_size_argument, add_models_argument
from tools.studies.reference_implementations import transformers_implementation

VARIANTS: Final = ("ours", "reference (as timm)", "transformers")


@dataclass(frozen=True)
class Program:
    """Operators by kind and the largest rank, or why coremltools refuses the program."""

    operators: Mapping[str, int]
    max_rank: int = 0
    refused: str = ""


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    add_models_argument(parser)
    add_image_size_argument(parser)
    return parser


def command(arguments: Namespace) -> None:
    """Convert, and print one table per model."""
    for name in arguments.models:
        found = {v: convert_variant(name, v, arguments.image_size) for v in VARIANTS}
        programs = {variant: program for variant, program in found.items() if program is not None}
        Console(width=120).print(operators_table(name, programs, arguments.image_size))


def convert_variant(model_name: str, variant: str, image_size: int) -> Program | None:
    """Convert one variant in fp16 for iOS 16; ``None`` if the model has no such variant."""
    with quiet():
        import coremltools as ct

    reference = random_network(model_name)
    model: torch.nn.Module | None = reference
    if variant == "ours":
        rewrite(reference, "coreml", (image_size, image_size))
    elif variant == "transformers":
        model = transformers_implementation(reference)
    if model is None:
        return None
    example = (torch.rand(1, 3, image_size, image_size),)
    with quiet(), torch.no_grad():
        try:
            program = torch.export.export(model, example).run_decompositions({})
            converted = ct.convert(
                program,
                convert_to="milinternal",
                minimum_deployment_target=ct.target.iOS16,
                inputs=[ct.ImageType(name="image", shape=example[0].shape, scale=1 / 255)],
            )
        # coremltools raises many types; the table shows which.
        except Exception as error:
            return Program({}, refused=str(error).strip().splitlines()[-1])
    operators = [o for o in converted.functions["main"].operations if o.op_type != "const"]
    ranks = [len(v.shape or ()) for o in operators for v in o.outputs if v.shape is not None]
    return Program(Counter(o.op_type for o in operators), max(ranks))


def operators_table(name: str, programs: Mapping[str, Program], image_size: int) -> Table:
    """Operators by kind in each variant, the most frequent kinds first."""
    table = Table(title=f"{name}, {image_size}x{image_size}, fp16, iOS 16")
    table.add_column("operator")
    for variant in programs:
        table.add_column(variant, justify="right")
    kinds = Counter[str]()
    for program in programs.values():
        kinds.update(program.operators)
    for kind, _ in kinds.most_common():
        table.add_row(kind, *(str(p.operators.get(kind, 0)) for p in programs.values()))
    table.add_section()
    table.add_row("all", *(str(sum(p.operators.values())) for p in programs.values()))
    table.add_row("largest rank", *(str(p.max_rank) for p in programs.values()))
    refusals = [f"{variant}: {p.refused}" for variant, p in programs.items() if p.refused]
    table.caption = "; ".join(refusals) or None
    return table


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
