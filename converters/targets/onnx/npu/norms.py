"""Root-mean-square norms as one operator, which the NPU has for integers of 16 bits.

In float the compiler recognizes the seven operators that ``root_mean_square`` leaves. Between
integers it would have to round after each.
"""

from __future__ import annotations

from typing import Final

import onnx
from onnx import helper, numpy_helper

from converters.targets.onnx.graphs import replace_nodes

_CHAIN: Final = ("Mul", "Reciprocal", "Sqrt", "Add", "ReduceMean", "Pow")
"""From the last operator but the weight's product back to the first."""


def fuse_norms(graph: onnx.GraphProto) -> int:
    """Replace every root-mean-square norm over the last axis, in place; how many there were."""
    producers = {name: node for node in graph.node for name in node.output}
    constants = {i.name: i for i in graph.initializer}
    fused: dict[str, onnx.NodeProto] = {}
    dropped: set[str] = set()
    for node in graph.node:
        if node.op_type != "Mul" or node.input[1] not in constants:
            continue
        chain = _chain(node.input[0], producers)
        if chain is None:
            continue
        epsilon = numpy_helper.to_array(constants[chain[3].input[1]]).item()
        weight = numpy_helper.to_array(constants[node.input[1]])
        # [1, 1, 1, d] -> [d]
        name = f"{node.output[0]}_weight"
        graph.initializer.append(numpy_helper.from_array(weight.reshape(-1), name))
        fused[node.name] = helper.make_node(
            "RMSNormalization",
            [chain[-1].input[0], name],
            [node.output[0]],
            node.name.replace("/Mul_", "/RMSNormalization_"),
            axis=-1,
            epsilon=epsilon,
        )
        dropped |= {link.name for link in chain}
    nodes = [fused.get(node.name, node) for node in graph.node if node.name not in dropped]
    replace_nodes(graph, nodes, graph.initializer)
    return len(fused)


def _chain(name: str, producers: dict[str, onnx.NodeProto]) -> tuple[onnx.NodeProto, ...] | None:
    """The operators of a norm from its last product back, or ``None``."""
    found = []
    for kind in _CHAIN:
        node = producers.get(name)
        if node is None or node.op_type != kind:
            return None
        found.append(node)
        name = node.input[1 if kind == "Mul" else 0]
    product, power = found[0], found[-1]
    return tuple(found) if product.input[0] == power.input[0] else None
