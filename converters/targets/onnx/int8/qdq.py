"""Static int8 in ONNX: a pair of QuantizeLinear and DequantizeLinear around what runs in int8.

ONNX Runtime fuses such pairs with the operator between them. Its fast kernels take uint8
activations and int8 weights with one scale a channel. The rules are those of
:mod:`converters.precision.annotate`: convolutions, products with weights, SiLU and residual
sums; norms and the attention's own products stay in float.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from converters.precision.parts import part_filter
from converters.precision.ranges import LEVELS, pixel_range
from converters.progress import Progress, no_progress
from converters.targets.loaded import Array
from converters.targets.onnx.graphs import replace_nodes
from converters.targets.onnx.int8.rules import PRODUCTS, Int8Plan
from converters.targets.onnx.int8.weights import (
    dequantized,
    output_axis,
    round_bias,
    round_weights,
    weight_scales,
)
from converters.targets.onnx.names import module_of, node_name
from converters.targets.onnx.scales import Scale, observe

SIGMOID: Final = Scale(1 / LEVELS, 0)


def quantize_onnx(
    proto: onnx.ModelProto,
    batches: Sequence[Array],
    fp32_parts: Sequence[str],
    progress: Progress = no_progress,
) -> onnx.ModelProto:
    """The int8 form of an fp32 graph.

    Args:
        proto: an fp32 graph of ``export_graph``, its nodes named after modules.
        batches: inputs to calibrate on.
        fp32_parts: parts that stay in float, by their paths in the model.
        progress: called with the batch at hand.
    """
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    plan = Int8Plan(model.graph, part_filter(fp32_parts))
    _write(model.graph, plan, _calibrate(model, plan, batches, progress))
    return model


def _calibrate(
    model: onnx.ModelProto,
    plan: Int8Plan,
    batches: Sequence[Array],
    progress: Progress,
) -> dict[str, Scale]:
    """The scale of every tensor that owns one."""
    owners = [n for n in dict.fromkeys(plan.tensors.values()) if n not in plan.sigmoids]
    floors = plan.floors
    histograms = observe(
        model, owners, batches, progress, floor=lambda name: floors.get(name, -math.inf)
    )
    scales = {
        name: Scale.of(
            *(pixel_range(seen.low, seen.high) if name == plan.image else seen.best_range()), 8
        )
        for name, seen in histograms.items()
    }
    return scales | dict.fromkeys(plan.sigmoids, SIGMOID)


class _Writer:
    """The int8 graph as it is written, node by node."""

    def __init__(self, plan: Int8Plan, scales: Mapping[str, Scale]) -> None:
        self._plan = plan
        self._scales = scales
        self._rounded: dict[str, str] = {}
        """What readers get instead of a tensor or weight."""
        self.nodes: list[onnx.NodeProto] = []
        self.constants = dict(plan.constants)

    def write(self, node: onnx.NodeProto) -> None:
        """A node of the float graph, with what it needs around it."""
        module = module_of(node.name)
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if node.name in self._plan.nodes and node.op_type in ("Conv", *PRODUCTS):
            self._make_weights_int8(copy, module)
        for index, name in enumerate(copy.input):
            copy.input[index] = self._rounded.get(name, name)
        self.nodes.append(copy)
        for name in node.output:
            if name in self._plan.tensors:
                self.round(name, module)

    def round(self, name: str, module: str) -> None:
        """From here on, readers of an activation get it rounded."""
        owner = self._plan.tensors[name]
        scale = self._scales[owner]
        parameters = [
            self._constant(f"{owner}_scale", np.array(scale.scale, np.float32)),
            self._constant(f"{owner}_zero_point", np.array(scale.zero_point, np.uint8)),
        ]
        integers, rounded = f"{name}_uint8", f"{name}_rounded"
        for kind, before, after in (
            ("QuantizeLinear", name, integers),
            ("DequantizeLinear", integers, rounded),
        ):
            title = node_name(module, f"{kind}_{name}")
            self.nodes.append(helper.make_node(kind, [before, *parameters], [after], title))
        self._rounded[name] = rounded

    def _make_weights_int8(self, node: onnx.NodeProto, module: str) -> None:
        weight = node.input[1]
        values = numpy_helper.to_array(self._plan.constants[weight])
        axis = output_axis(node)
        steps = weight_scales(values, axis)
        if weight not in self._rounded:
            integers = round_weights(values, steps, axis)
            self._rounded[weight] = self._dequantize(weight, integers, steps, axis, module)
        if len(node.input) > 2:
            # The kernel adds the bias to its sums of integer products, whose unit this is.
            unit = steps * np.float32(self._scales[self._plan.tensors[node.input[0]]].scale)
            bias = numpy_helper.to_array(self._plan.constants[node.input[2]])
            integers = round_bias(bias, unit)
            title = f"{node.output[0]}_bias"
            node.input[2] = self._dequantize(title, integers, unit, 0, module)

    def _dequantize(self, name: str, integers: Array, steps: Array, axis: int, module: str) -> str:
        node, constants = dequantized(name, integers, steps, axis, module)
        self.nodes.append(node)
        self.constants.update({constant.name: constant for constant in constants})
        return str(node.output[0])

    def _constant(self, name: str, values: Array) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(values, name))
        return name


def _write(graph: onnx.GraphProto, plan: Int8Plan, scales: Mapping[str, Scale]) -> None:
    """Replace the float graph by its int8 form."""
    writer = _Writer(plan, scales)
    for value in graph.input:
        if value.name in plan.tensors:
            writer.round(value.name, "")
    for node in graph.node:
        writer.write(node)
    graph.ClearField("value_info")
    replace_nodes(graph, writer.nodes, writer.constants.values())
