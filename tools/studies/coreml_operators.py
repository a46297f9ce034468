"""Operators of Core ML programs: our rewrites, and the usual forms through the same converter.

    python -m tools.studies.coreml_operators MODEL...

The reference unfolds patches as timm does, by a transpose of six axes; transformers' module is the
other usual form. What coremltools refuses is shown with its reason.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.workloads.artifacts import random_network, rewrite
from converters.quiet import quiet
from tools.studies.reference_implementations import transformers_peer

IMAGE_SIZE: Final = 256
FORMS: Final = ("ours", "reference (timm's form)", "transformers")


@dataclass(frozen=True)
class Program:
    """Operators by kind and the largest rank, or why there is no program."""

    operators: Mapping[str, int]
    max_rank: int = 0
    refused: str = ""


def convert_form(model_name: str, form: str) -> Program | None:
    """Convert one form in fp16 for iOS 16; ``None`` where the model has no such form."""
    with quiet():
        import coremltools as ct

    reference = random_network(model_name)
    model: torch.nn.Module = reference
    if form == "ours":
        rewrite(reference, "coreml", (IMAGE_SIZE, IMAGE_SIZE))
    elif form == "transformers":
        peer = transformers_peer(reference)
        if peer is None:
            return None
        model = peer
    example = (torch.rand(1, 3, IMAGE_SIZE, IMAGE_SIZE),)
    with quiet(), torch.no_grad():
        try:
            program = torch.export.export(model, example).run_decompositions({})
            converted = ct.convert(
                program,
                convert_to="milinternal",
                minimum_deployment_target=ct.target.iOS16,
                inputs=[ct.ImageType(name="image", shape=example[0].shape, scale=1 / 255)],
            )
        # coremltools raises many types; which one is what this table is about.
        except Exception as error:
            return Program({}, refused=str(error).strip().splitlines()[-1])
    operators = [o for o in converted.functions["main"].operations if o.op_type != "const"]
    ranks = [len(v.shape or ()) for o in operators for v in o.outputs if v.shape is not None]
    return Program(Counter(o.op_type for o in operators), max(ranks))


def main() -> None:
    """Print one table a model."""
    parser = ArgumentParser(description="Operators of Core ML programs, ours and the usual forms.")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    for name in parser.parse_args().models:
        found = {form: convert_form(name, form) for form in FORMS}
        programs = {form: program for form, program in found.items() if program is not None}
        table = Table(title=f"{name}, {IMAGE_SIZE}x{IMAGE_SIZE}, fp16, iOS 16")
        table.add_column("operator")
        for form in programs:
            table.add_column(form, justify="right")
        kinds = Counter[str]()
        for program in programs.values():
            kinds.update(program.operators)
        for kind, _ in kinds.most_common():
            table.add_row(kind, *(str(p.operators.get(kind, 0)) for p in programs.values()))
        table.add_section()
        totals = [sum(p.operators.values()) for p in programs.values()]
        table.add_row("all", *(str(total) for total in totals))
        table.add_row("largest rank", *(str(p.max_rank) for p in programs.values()))
        refusals = "; ".join(f"{form}: {p.refused}" for form, p in programs.items() if p.refused)
        table.caption = refusals or None
        Console(width=120).print(table)


if __name__ == "__main__":
    main()
