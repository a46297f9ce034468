"""A float graph with pairs of QuantizeLinear and DequantizeLinear, as the NPU reads them.

Its compiler takes an operator for one of integers where all inputs come from DequantizeLinear and
all outputs go to QuantizeLinear, in one width; a pair between two widths, or between integers and
float, it makes a conversion. Nothing may be left between: with a weight in float beside integers,
or a scale for each channel of anything but a convolution, the graph is not taken whole.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnx
from onnx import helper, numpy_helper

from converters.targets.loaded import Array
from converters.targets.onnx.graphs import replace_nodes
from converters.targets.onnx.int8.weights import (
    dequantized,
    round_bias,
    round_weights,
    weight_scales,
)
from converters.targets.onnx.names import module_of, node_name
from converters.targets.onnx.npu.quantized.layout import MOVES, Layout
from converters.targets.onnx.npu.quantized.ranges import TYPES, Ranges
from converters.targets.onnx.scales import Scale


def quantized(model: onnx.ModelProto, layout: Layout, ranges: Ranges) -> onnx.ModelProto:
    """A copy of ``model``, whose tensors ``layout`` describes, with integers where it says so."""
    writer = _Writer(layout, ranges)
    for node in model.graph.node:
        writer.write(node)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.ClearField("value_info")
    replace_nodes(copy.graph, writer.nodes, writer.constants.values())
    return copy


class _Writer:
    """The quantized graph as it is written, node by node."""

    def __init__(self, layout: Layout, ranges: Ranges) -> None:
        self._layout = layout
        self._ranges = ranges
        self._outputs = {output.name for output in layout.graph.output}
        self._rounded: dict[tuple[str, int], str] = {}
        """What readers of a tensor in so many bits get instead of it."""
        self.nodes: list[onnx.NodeProto] = []
        self.constants = dict(layout.constants)
        if layout.pixels is not None:
            self._rounded[layout.pixels, 8] = layout.pixels

    def write(self, node: onnx.NodeProto) -> None:
        """A node of the float graph, with what it needs around it."""
        layout, module = self._layout, module_of(node.name)
        width = layout.width(node)
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        data = layout.data(node)
        for index, name in enumerate(node.input):
            if name in data:
                copy.input[index] = self._read(name, width, module)
        if width == 0:
            self.nodes.append(copy)
            return
        if node.op_type == "Conv":
            self._round_convolution(copy, node.input[0], width, module)
        elif node.op_type not in MOVES:
            self._round_constants(copy, width, module)
        self.nodes.append(copy)
        for index, name in enumerate(node.output):
            if name in self._outputs:
                # The graph's output keeps its name behind the pair.
                copy.output[index] = f"{name}_exact"
                self._pair(name, copy.output[index], width, module, after=name)
            else:
                self._pair(name, name, width, module)

    def _read(self, name: str, width: int, module: str) -> str:
        """A tensor in so many bits; in float, whatever its producer leaves."""
        left_in = self._layout.left_in(name)
        if width == 0:
            return self._rounded.get((name, left_in), name)
        if (name, width) not in self._rounded:
            before = self._rounded.get((name, left_in), name)
            self._pair(name, before, width, module)
        return self._rounded[name, width]

    def _pair(
        self, name: str, before: str, width: int, module: str, after: str | None = None
    ) -> None:
        """From here on, readers of ``name`` in so many bits get ``before`` rounded."""
        owner = self._layout.owner(name)
        parameters = self._scale(f"{owner}_{width}", self._ranges.scale(name, width), width)  # type: ignore[arg-type]
        integers, after = f"{name}_uint{width}", after or f"{name}_rounded{width}"
        for kind, source, result in (
            ("QuantizeLinear", before, integers),
            ("DequantizeLinear", integers, after),
        ):
            title = node_name(module, f"{kind}_{integers}")
            self.nodes.append(helper.make_node(kind, [source, *parameters], [result], title))
        self._rounded[name, width] = after

    def _scale(self, title: str, scale: Scale, width: Literal[8, 16]) -> list[str]:
        return [
            self._constant(f"{title}_scale", np.array(scale.scale, np.float32)),
            self._constant(f"{title}_zero_point", np.array(scale.zero_point, TYPES[width])),
        ]

    def _round_convolution(
        self, node: onnx.NodeProto, source: str, width: Literal[8, 16], module: str
    ) -> None:
        values = numpy_helper.to_array(self._layout.constants[node.input[1]])
        steps = weight_scales(values, 0)
        # Of its own even where two convolutions share it: ONNX Runtime's exact mode for x86 changes
        # the integers in place.
        title = f"{node.output[0]}_weight"
        node.input[1] = self._dequantize(title, round_weights(values, steps, 0), steps, module)
        if len(node.input) > 2:
            # The unit adds the bias to its sums of integer products, whose step this is.
            scale = np.float32(self._ranges.scale(source, width).scale)
            unit = steps * scale
            bias = numpy_helper.to_array(self._layout.constants[node.input[2]])
            integers = round_bias(bias, unit)
            title = f"{node.output[0]}_bias"
            node.input[2] = self._dequantize(title, integers, unit, module)

    def _dequantize(self, name: str, integers: Array, steps: Array, module: str) -> str:
        node, constants = dequantized(name, integers, steps, 0, module)
        self.nodes.append(node)
        self.constants.update({constant.name: constant for constant in constants})
        return str(node.output[0])

    def _round_constants(self, node: onnx.NodeProto, width: Literal[8, 16], module: str) -> None:
        """Numbers that a node computes with besides its data; not those that say how."""
        for index, name in enumerate(node.input):
            constant = self._layout.constants.get(name)
            if constant is None or constant.data_type != onnx.TensorProto.FLOAT:
                continue
            if node.op_type == "Resize":
                continue
            after = f"{name}_rounded{width}"
            if (name, width) not in self._rounded:
                values = numpy_helper.to_array(constant)
                scale = Scale.of(
                    min(float(values.min()), 0.0), max(float(values.max()), 0.0), width
                )
                integers = np.rint(values / scale.scale) + scale.zero_point
                stored = integers.clip(0, 2**width - 1).astype(TYPES[width])
                parameters = self._scale(f"{name}_{width}", scale, width)
                source = self._constant(f"{name}_uint{width}", stored)
                title = node_name(module, f"DequantizeLinear_{source}")
                self.nodes.append(
                    helper.make_node("DequantizeLinear", [source, *parameters], [after], title)
                )
                self._rounded[name, width] = after
            node.input[index] = after

    def _constant(self, name: str, values: Array) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(values, name))
        return name
