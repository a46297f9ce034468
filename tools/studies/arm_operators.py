"""ARM instructions of ONNX Runtime's kernels, one operator at a time.

    python -m tools.studies.arm_operators --shape 16x256x256 [--precision fp16] Softmax Exp

Operators of one output whose inputs may all be the same tensor. In fp16 the conversions of input
and output are in the count.
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper
from rich.console import Console
from rich.progress import track

from benchmarks.arm.emulation import emulate
from benchmarks.arm.processors import PROCESSORS, Processor
from benchmarks.arm.toolchain import Toolchain, default_folder, set_up
from benchmarks.output.table import Table, print_table, wide_console

_TYPES: Final = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16}
_OPSET: Final = 17
_IR_VERSION: Final = 9
_MEGA: Final = 1e6


def main() -> None:
    """Count and print a table in millions of instructions."""
    parser = ArgumentParser(description="ARM instructions of ONNX Runtime's operators.")
    parser.add_argument("operators", nargs="+", metavar="OPERATOR")
    parser.add_argument("--shape", type=_shape, required=True, metavar="NxN...")
    parser.add_argument("--precision", choices=_TYPES, default="fp32")
    parser.add_argument("--cpu", choices=PROCESSORS, default="cortex-a76")
    parser.add_argument("--toolchain", type=Path, default=default_folder(), metavar="DIR")
    arguments = parser.parse_args()
    toolchain = set_up(arguments.toolchain.resolve(), lambda step: None)
    processor, shape = PROCESSORS[arguments.cpu], arguments.shape
    rows = []
    for name in track(arguments.operators, "counting", console=Console(stderr=True)):
        count = count_operator(toolchain, processor, name, shape, arguments.precision)
        rows.append((name, f"{count / _MEGA:.2f}", f"{count / np.prod(shape):.1f}"))
    print_table(
        wide_console(),
        Table(
            title=f"ARM instruction count (emulated {processor.name}), ONNX Runtime, "
            f"{arguments.precision}, {'x'.join(map(str, shape))}",
            columns=("operator", "millions", "a number"),
            rows=tuple(rows),
        ),
    )


def operator_model(name: str, shape: tuple[int, ...], precision: str) -> onnx.ModelProto:
    """One operator with fp32 input and output, computed in ``precision``.

    Raises:
        onnx.defs.SchemaError: there is no such operator.
    """
    inputs = onnx.defs.get_schema(name, _OPSET).min_input
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
    """Instructions of one inference on numbers between 0 and 1."""
    numbers = np.random.default_rng(0).random(shape, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "operator.onnx"
        onnx.save(operator_model(name, shape, precision), path)
        return emulate(toolchain, processor, "onnx", path, [[numbers]]).counts["all"]


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(side) for side in text.split("x"))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no shape such as 16x256x256") from error


if __name__ == "__main__":
    main()
