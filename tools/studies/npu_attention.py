"""The V2 paper's table 1 on a simulated NPU: MobileViT-S with each of three attention units.

    python -m tools.studies.npu_attention --soc sa8255

Each network is written as it is and with the rewrites of ``--unit npu``, and compiled. Simulated,
not a phone's latency; the paper's figures are an iPhone 12's.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

import torch
from rich.table import Table

from benchmarks.workloads.attention import MODEL, PAPER_MS
from converters.job.source import calibrate_batch_norm_statistics
from converters.targets.onnx.npu.unit import REWRITES
from mobilevit_edge.console import run_command
from mobilevit_edge.models.network import MobileViT, create_model
from mobilevit_edge.specs import Attention
from mobilevit_edge.terminal import PlainConsole
from tools.command import tool_parser
from tools.studies.npu_rewrites import IMAGE_SIZE, add_chip, apply_npu_rewrites, compiled, shown


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    add_chip(parser)
    return parser


def command(arguments: Namespace) -> None:
    """Print the table."""
    title = f"{MODEL} at {IMAGE_SIZE}x{IMAGE_SIZE} on {arguments.soc}, simulated us"
    table = Table(title=title)
    for heading in ("attention", "as it is", "--unit npu", "gain", "iPhone 12, ms (paper)"):
        table.add_column(heading)
    for attention, paper in PAPER_MS.items():
        network = _network(attention)
        plain = compiled(network, arguments.soc)
        apply_npu_rewrites(network, REWRITES)
        ours = compiled(network, arguments.soc)
        times = [found.figures.get("microseconds") for found in (plain, ours)]
        gain = "-" if None in times else f"{times[0] / times[1]:.2f}"  # type: ignore[operator]
        table.add_row(attention, shown(plain), shown(ours), gain, f"{paper:.1f}")
    PlainConsole(width=100).print(table)


def _network(attention: Attention) -> MobileViT:
    torch.manual_seed(0)
    network = create_model(MODEL, attention=attention)
    calibrate_batch_norm_statistics(network)
    return network.requires_grad_(False)


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
