"""ARM instructions of ONNX Runtime's kernels, one operator at a time, under emulation.

    python -m tools.studies.arm_operators --shape 16x256x256 [--precision fp16] Softmax Exp

For operators with one output, whose inputs may all be the same tensor. In fp16 the conversions of
input and output are counted too.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper
from rich.console import Console
from rich.progress import track

from benchmarks.arm.emulation import emulate
from benchmarks.arm.processors import PROCESSORS, Processor
from benchmarks.arm.toolchain import Toolchain
from benchmarks.output.table import Table, print_table, wide_console
from mobilevit_edge.console import run_command
from mobilevit_edge.errors import UsageError
from tools.command import tool_parser
from tools.studies.options import add_emulation_arguments, toolchain_of

_TYPES: Final = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16}
_OPSET: Final = 17
_IR_VERSION: Final = 9
_MEGA: Final = 1e6


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("operators", nargs="+", metavar="OPERATOR")
    parser.add_argument("--shape", type=_shape, required=True, metavar="NxN...")
    parser.add_argument("--precision", choices=_TYPES, default="fp32")
    add_emulation_arguments(parser)
    return parser


def command(arguments: Namespace) -> None:
    """Count and print a table in millions of instructions."""
    toolchain, processor = toolchain_of(arguments), PROCESSORS[arguments.cpu]
    precision, shape = arguments.precision, arguments.shape
    rows = []
    for name in track(arguments.operators, "counting", console=Console(stderr=True)):
        count = count_operator(toolchain, processor, name, shape, precision)
        rows.append((name, f"{count / _MEGA:.2f}", f"{count / np.prod(shape):.1f}"))
    title = f"ARM instruction count (emulated {processor.name}), ONNX Runtime, "
    title += f"{precision}, {'x'.join(map(str, shape))}"
    columns = ("operator", "millions", "per element")
    print_table(wide_console(), Table(title, columns, tuple(rows)))


def operator_model(name: str, shape: tuple[int, ...], precision: str) -> onnx.ModelProto:
    """One operator with fp32 input and output, computed in ``precision``.

    Raises:
        UsageError: there is no such operator.
    """
    try:
        inputs = onnx.defs.get_schema(name, _OPSET).min_input
    except onnx.defs.SchemaError as error:
        raise UsageError(f"ONNX has no operator {name!r} in opset {_OPSET}") from error
    nodes = [helper.make_node(name, ["x"] * inputs, ["y"])]
    if precision != "fp32":
        nodes = [
            helper.make_node("Cast", ["x"], ["given"], to=_TYPES[precision]),
            helper.make_node(name, ["given"] * inputs, ["found"]),
            helper.make_node("Cast", ["found"], ["y"], to=TensorProto.FLOAT),
        ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x", "y"))
    graph = helper.make_graph(nodes, name, [x], [y])
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def count_operator(
    toolchain: Toolchain, processor: Processor, name: str, shape: tuple[int, ...], precision: str
) -> int:
    """Instructions of one inference on random values between 0 and 1."""
    values = np.random.default_rng(0).random(shape, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "operator.onnx"
        onnx.save(operator_model(name, shape, precision), path)
        return emulate(toolchain, processor, "onnx", path, [[values]]).counts["all"]


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(side) for side in text.split("x"))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a shape such as 16x256x256") from error


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
