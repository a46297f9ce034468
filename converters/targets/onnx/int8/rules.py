"""Which nodes and tensors of an ONNX graph become int8."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import onnx

from converters.precision.ranges import SILU_FLOOR
from converters.targets.onnx.names import module_of

PRODUCTS: Final = ("MatMul", "Gemm")
_MOVES: Final = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Slice")


class Int8Plan:
    """Which nodes and tensors of a graph become int8. Built node by node, in order."""

    def __init__(self, graph: onnx.GraphProto, in_fp32: Callable[[str], bool]) -> None:
        self.constants = {i.name: i for i in graph.initializer}
        self.nodes: set[str] = set()
        self.tensors: dict[str, str] = {}
        """Quantized tensors, each with the tensor that gives its scale."""
        self.floors: dict[str, float] = {}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self.sigmoids: set[str] = set()
        first = next((node for node in graph.node if node.op_type == "Conv"), None)
        self.image = "" if first is None else first.input[0]
        """The network's input as its stem reads it."""
        for node in graph.node:
            if not in_fp32(module_of(node.name)):
                self._visit(node)

    def _visit(self, node: onnx.NodeProto) -> None:
        match node.op_type:
            case "Conv" if self._has_many_outputs(node):
                self._add(node, node.input[:1], self._end(node))
            case kind if kind in PRODUCTS and node.input[1] in self.constants:
                # Without a quantized output the kernel writes float: nothing more is rounded.
                self._add(node, node.input[:1], [])
            case "Sigmoid" if self._is_silu(node):
                self._add(node, node.input, node.output)
                self.sigmoids.add(node.output[0])
            case "Add" | "Mul" | "Concat" if all(name in self.tensors for name in node.input):
                self._add(node, node.input, node.output)
            case kind if kind in _MOVES and node.input[0] in self.tensors:
                self.nodes.add(node.name)
                self.tensors[node.output[0]] = self.tensors[node.input[0]]

    def _add(self, node: onnx.NodeProto, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        self.nodes.add(node.name)
        for name in (*inputs, *outputs):
            self.tensors.setdefault(name, name)
        for name in outputs:
            readers = self._readers.get(name, [])
            if {r.op_type for r in readers} == {"Sigmoid", "Mul"} and len(readers) == 2:
                self.floors[name] = SILU_FLOOR

    def _end(self, node: onnx.NodeProto) -> Sequence[str]:
        """The convolution's output, or that of the ReLU which joins it."""
        readers = self._readers.get(node.output[0], [])
        if len(readers) == 1 and readers[0].op_type == "Relu":
            return readers[0].output  # type: ignore[no-any-return]
        return node.output  # type: ignore[no-any-return]

    def _has_many_outputs(self, node: onnx.NodeProto) -> bool:
        """One output channel is a score of the attention: little work, and softmax reads it."""
        weight = self.constants.get(node.input[1])
        return weight is not None and weight.dims[0] > 1

    def _is_silu(self, node: onnx.NodeProto) -> bool:
        readers = self._readers.get(node.output[0], [])
        return (
            node.input[0] in self.tensors
            and len(readers) == 1
            and readers[0].op_type == "Mul"
            and set(readers[0].input) == {node.input[0], node.output[0]}
        )
