"""Weights of ONNX nodes as int8 with a symmetric scale for each output channel."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from converters.targets.loaded import Array
from converters.targets.onnx.graphs import replace_nodes
from converters.targets.onnx.names import module_of, node_name

LARGEST: Final = 127
_SMALLEST_SCALE: Final = 1e-30


def output_axis(node: onnx.NodeProto) -> int:
    """Which axis of a node's weight counts its outputs."""
    if node.op_type == "Conv":
        return 0
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    return 0 if transposed else 1


def weight_scales(values: Array, axis: int) -> Array:
    """The step of each output channel, fp32; ``axis`` of ``values`` counts outputs."""
    others = tuple(i for i in range(values.ndim) if i != axis)
    steps = np.abs(values).max(axis=others).astype(np.float64) / LARGEST
    return np.maximum(steps, _SMALLEST_SCALE).astype(np.float32)  # type: ignore[no-any-return]


def round_weights(values: Array, steps: Array, axis: int) -> Array:
    """``values`` as multiples of ``steps``, int8."""
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    integers = np.rint(values / steps.reshape(shape))
    return integers.clip(-LARGEST, LARGEST).astype(np.int8)


def dequantized(
    name: str, integers: Array, steps: Array, axis: int, module: str
) -> tuple[onnx.NodeProto, tuple[onnx.TensorProto, ...]]:
    """A node that gives ``name``_rounded from integers, and the constants it reads."""
    constants = [
        numpy_helper.from_array(integers, f"{name}_integers"),
        numpy_helper.from_array(steps, f"{name}_scale"),
    ]
    if integers.dtype == np.int8:
        # Zero points are optional and zero, but ONNX Runtime's exact mode for x86 gets the shape of
        # absent ones wrong.
        zeros = np.zeros(len(steps), np.int8)
        constants.append(numpy_helper.from_array(zeros, f"{name}_zero_point"))
    node = helper.make_node(
        "DequantizeLinear",
        [constant.name for constant in constants],
        [f"{name}_rounded"],
        node_name(module, f"DequantizeLinear_{name}"),
        axis=axis,
    )
    return node, tuple(constants)


def round_bias(bias: Array, unit: Array) -> Array:
    """A bias in ``unit``, that of the sums of integer products it is added to: int32, ``[C]``."""
    limits = np.iinfo(np.int32)
    return np.rint(bias / unit).clip(limits.min, limits.max).astype(np.int32)


def quantize_onnx_weights(
    proto: onnx.ModelProto, kinds: Collection[str] = ("Conv", "MatMul", "Gemm")
) -> onnx.ModelProto:
    """A copy whose weights are stored as int8 and computed with in float.

    Args:
        proto: an fp32 graph.
        kinds: operators whose weights are meant.
    """
    model = onnx.ModelProto()
    model.CopyFrom(proto)
    graph = model.graph
    constants = {i.name: i for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT}
    nodes: list[onnx.NodeProto] = []
    rounded: dict[str, str] = {}
    for node in graph.node:
        if node.op_type in kinds and node.input[1] in (*constants, *rounded):
            name = node.input[1]
            if name not in rounded:
                values = numpy_helper.to_array(constants[name])
                axis = output_axis(node)
                steps = weight_scales(values, axis)
                module = module_of(node.name)
                dequantize, parts = dequantized(
                    name, round_weights(values, steps, axis), steps, axis, module
                )
                nodes.append(dequantize)
                graph.initializer.extend(parts)
                rounded[name] = dequantize.output[0]
            node.input[1] = rounded[name]
        nodes.append(node)
    replace_nodes(graph, nodes, graph.initializer)
    return model
