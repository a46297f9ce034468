"""What each rewrite of ``--unit npu`` is worth on a simulated chip.

    python -m tools.studies.npu_rewrites --soc sa8255 mobilevit_xxs mobilevitv2_050

Every network is written with all of them, then with one left out (and those that need it), and
compiled. The graphs take floats; bytes cost some 30 microseconds less.
"""

from __future__ import annotations

import copy
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from rich.table import Table
from torch import nn

from benchmarks.commands.options import model_name
from benchmarks.workloads.artifacts import random_network
from converters.rewrites import select_rewrites
from converters.rewrites.base import Context, apply_rewrites
from converters.targets.base import get_target
from converters.targets.onnx.npu.chips import CHIPS
from converters.targets.onnx.npu.compiler import Compilation, compile_for
from converters.targets.onnx.npu.unit import REWRITES
from mobilevit_edge.console import run_command
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.terminal import PlainConsole
from tools.command import tool_parser

IMAGE_SIZE: Final = 256
_GENERAL: Final = {"batch_norm_fold", "norm_affine_fold"}
"""Every target has them, and nearly all others need them."""


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("models", nargs="+", type=model_name, metavar="MODEL")
    add_chip(parser)
    return parser


def add_chip(parser: ArgumentParser) -> None:
    """The option for a chip with simulated times."""
    simulated = [name for name, chip in CHIPS.items() if chip.simulated]
    parser.add_argument("--soc", choices=simulated, default=simulated[0])


def command(arguments: Namespace) -> None:
    """Print a column for each model."""
    table = Table(title=f"simulated us on {arguments.soc} at {IMAGE_SIZE}x{IMAGE_SIZE}")
    for heading in ("left out", *arguments.models):
        table.add_column(heading)
    networks = [random_network(model) for model in arguments.models]
    changed = [apply_npu_rewrites(copy.deepcopy(network), REWRITES) for network in networks]
    for left_out in (None, *(name for name in REWRITES if name not in _GENERAL)):
        times = [
            simulated_time(network, left_out, arguments.soc)
            if left_out is None or left_out in names
            else None
            for network, names in zip(networks, changed, strict=True)
        ]
        if any(time is not None for time in times):
            table.add_row(left_out or "nothing", *(time or "" for time in times))
    PlainConsole(width=100).print(table)


def simulated_time(network: MobileViT, left_out: str | None, chip: str) -> str:
    """Microseconds of a network, itself untouched, without one of the rewrites."""
    network = copy.deepcopy(network)
    apply_npu_rewrites(network, [name for name in REWRITES if name != left_out])
    return shown(compiled(network, chip))


def apply_npu_rewrites(network: MobileViT, names: Sequence[str]) -> set[str]:
    """Apply some of the NPU's rewrites in place; those that changed something."""
    context = Context((IMAGE_SIZE, IMAGE_SIZE))
    outcomes = apply_rewrites(network, select_rewrites(names, ()), context)
    return {outcome.name for outcome in outcomes if outcome.sites}


def compiled(network: nn.Module, chip: str) -> Compilation:
    """A network, compiled for a chip."""
    image = torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        get_target("onnx").write_module(network, (image,), path)
        return compile_for(path, CHIPS[chip])


def shown(found: Compilation) -> str:
    """Its time, or why there is none."""
    return str(found.figures.get("microseconds", "-")) if found.taken else str(found.reason)


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
