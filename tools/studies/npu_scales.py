"""Scales for channels of unlike range on the NPU: none, range groups, split gates.

    python -m tools.studies.npu_scales --weights corn.safetensors --images photos/

Convolutions in 8 bits, transformer layers in fp16. Every other image calibrates; the rest are
answered in ONNX Runtime and compared with fp32: best class, and root mean square of the outputs'
difference, relative to them.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.table import Table
from torch import Tensor, nn

from converters.job.job import ExportJob
from converters.job.options import ExportOptions
from converters.job.source import load_source
from converters.job.wrapping import example_input, wrap_for_export
from converters.precision.range_groups import apply_range_groups
from converters.precision.split_gates import apply_split_gates
from converters.progress import no_progress
from converters.targets.base import INPUT_NAME, output_name
from converters.targets.jobs import make_job
from converters.targets.loaded import Array
from converters.targets.onnx.conversion import export_graph
from converters.targets.onnx.npu.chips import CHIPS
from converters.targets.onnx.npu.compiler import compile_for
from converters.targets.onnx.npu.quantized.mixing import answers
from converters.targets.onnx.npu.quantized.quantize import Calibrated
from converters.targets.onnx.npu.quantized.widths import widths_of
from converters.targets.onnx.npu.unit import REWRITES, dequantize_pixels
from mobilevit_edge.console import run_command
from mobilevit_edge.image_files import find_images
from mobilevit_edge.terminal import PlainConsole
from tools.command import tool_parser
from tools.studies.npu_rewrites import add_chip, shown

FORMS: Final[Mapping[str, Callable[[nn.Module, Sequence[Tensor]], None]]] = {
    "none": lambda module, batches: None,
    "two range groups": lambda m, batches: apply_range_groups(m, batches, max_groups=2),
    "four range groups": lambda m, batches: apply_range_groups(m, batches, max_groups=4),
    "split gates": apply_split_gates,
}


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("--weights", required=True, help="a checkpoint")
    parser.add_argument("--images", required=True, type=Path, help="a folder of photos")
    add_chip(parser)
    return parser


def command(arguments: Namespace) -> None:
    """Print a row for each form."""
    options = ExportOptions(weights=arguments.weights, target="onnx", unit="npu", raw_input=True)
    job = make_job(options, load_source(options))
    contract = job.module_input
    batches = [contract.batch_of([contract.load(path)]) for path in find_images(arguments.images)]
    compared = tuple(batches[1::2])
    table = Table(title=f"{job.source.spec.name}, {len(compared)} images, {arguments.soc}")
    for heading in ("scales", "us", "same top-1", "error"):
        table.add_column(heading)
    for name, change in FORMS.items():
        given = graph_of(job, change, batches[::2])
        model = given.quantized(widths_of("w8a8", job.source.spec), no_progress)
        expected = answers(given.model.SerializeToString(), compared)
        found = answers(model.SerializeToString(), compared)
        same = int((found.argmax(1) == expected.argmax(1)).sum())
        error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(model.SerializeToString())
            time = shown(compile_for(path, CHIPS[arguments.soc]))
        table.add_row(name, time, f"{same} of {len(compared)}", f"{error:.3f}")
    PlainConsole(width=100).print(table)


def graph_of(
    job: ExportJob, change: Callable[[nn.Module, Sequence[Tensor]], None], batches: Sequence[Array]
) -> Calibrated:
    """The float graph for the unit, its module changed by what ``batches`` show."""
    module = wrap_for_export(job, REWRITES).module
    change(module, [torch.from_numpy(batch) for batch in batches])
    model = export_graph(
        module,
        (example_input(job),),
        input_names=[INPUT_NAME],
        output_names=[output_name(job.task, job.activation)],
    )
    dequantize_pixels(model.graph)
    return Calibrated(model, tuple(batches))


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
