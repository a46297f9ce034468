"""Which tensors of a graph are integers of how many bits, and which of them share a range."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper

from converters.precision.ranges import SILU_FLOOR
from converters.precision.split_gates import GATE, GATE_LIMIT, VALUE, VALUE_FLOOR
from converters.targets.onnx.names import module_of
from converters.targets.onnx.npu.quantized.widths import Width, Widths, width_at

MOVES: Final = frozenset(
    {"Concat", "DepthToSpace", "Flatten", "Reshape", "Slice", "SpaceToDepth", "Split", "Transpose"}
)
"""They leave numbers as they are."""
_INTEGER: Final = frozenset(
    {"Add", "Conv", "MatMul", "Mul", "ReduceMean", "Relu", "Resize", "Sigmoid", "Softmax"}
)
"""Operators that the unit has for integers of either width."""
_WIDE: Final = frozenset({"RMSNormalization"})
"""Those that lose too much in 8 bits."""
_UNIT: Final = frozenset({"Sigmoid", "Softmax"})
"""Their results lie between 0 and 1, and the unit wants the scale that says so."""
_NORM: Final = "InstanceNormalization"
_OUTSIDE: Final = ("", "preparation", "answer")
"""Modules around the network."""
_MASK: Final = 1e3
"""A constant of this size shuts places out of a softmax; no integer holds it beside scores."""


class Layout:
    """The width of every node and tensor, and whose range each tensor has.

    Attributes:
        graph: float, its nodes named after modules.
        constants: its initializers by name.
        pixels: the bytes of an image as numbers, if the input is bytes.
    """

    def __init__(self, graph: onnx.GraphProto, widths: Widths) -> None:
        self.graph = graph
        self.constants = {i.name: i for i in graph.initializer}
        self.pixels: str | None = None
        self._producers = {o: node for node in graph.node for o in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        self._nodes: dict[str, Width] = {}
        self._tensors: dict[str, Width] = {}
        self._owners: dict[str, str] = {}
        self._floors: dict[str, float] = {}
        self._limits: dict[str, float] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        before_norms = {node.name for node in self._before_norms()}
        for node in graph.node:
            width = 0 if node.name in before_norms else self._width(node, widths)
            self._nodes[node.name] = width
            for name in node.output:
                self._tensors[name] = width
            if node.op_type == "DequantizeLinear":
                self.pixels = node.output[0]
                self._tensors[self.pixels] = 8
        for node in graph.node:
            if self._nodes[node.name]:
                self._share_ranges(node)
        for node in graph.node:
            if self._nodes[node.name]:
                self._bound(node)

    def width(self, node: onnx.NodeProto) -> Width:
        """Of what a node computes with."""
        return self._nodes[node.name]

    def left_in(self, tensor: str) -> Width:
        """In how many bits a tensor's producer leaves it."""
        return self._tensors.get(tensor, 0)

    def owner(self, tensor: str) -> str:
        """The tensor whose range this one has."""
        while tensor in self._owners:
            tensor = self._owners[tensor]
        return tensor

    def is_unit(self, owner: str) -> bool:
        """Whether a tensor holds shares of one."""
        node = self._producers.get(owner)
        return node is not None and node.op_type in _UNIT

    def is_pixels(self, owner: str) -> bool:
        """Whether a tensor holds the bytes of an image."""
        return self.pixels is not None and owner == self.owner(self.pixels)

    def floor(self, tensor: str) -> float:
        """Values below do not matter to its readers."""
        return self._floors.get(tensor, -np.inf)

    def limit(self, owner: str) -> float:
        """Values farther from zero do not matter to its readers."""
        return self._limits.get(owner, np.inf)

    def ranged(self) -> list[str]:
        """The tensors whose values set ranges, in the graph's order."""
        found: dict[str, None] = {}
        for node in self.graph.node:
            if self._nodes[node.name]:
                found |= dict.fromkeys((*self.data(node), *node.output))
        owners = {name: self.owner(name) for name in found}
        return [n for n, o in owners.items() if not self.is_unit(o) and not self.is_pixels(o)]

    def data(self, node: onnx.NodeProto) -> list[str]:
        """The inputs of a node that are no constants."""
        return [name for name in node.input if name and name not in self.constants]

    def _width(self, node: onnx.NodeProto, widths: Widths) -> Width:
        module = module_of(node.name)
        asked = width_at(widths, module)
        if node.op_type in MOVES:
            # They follow their data, but for those of a part in float, which may belong to a norm.
            found = {self._tensors.get(name, 0) for name in self.data(node)}
            return found.pop() if asked and len(found) == 1 else 0
        if node.op_type in _WIDE:
            return asked if asked == 16 else 0
        if node.op_type not in _INTEGER or module in _OUTSIDE or _is_norm(module):
            return 0
        return asked

    def _before_norms(self) -> Iterable[onnx.NodeProto]:
        """What writes the maps that group norms read: next to integers they are not recognized."""
        for node in self.graph.node:
            if node.op_type != _NORM:
                continue
            writer = self._producers.get(node.input[0])
            while writer is not None and writer.op_type in MOVES:
                yield writer
                writer = self._producers.get(writer.input[0])
            if writer is not None:
                yield writer

    def _share_ranges(self, node: onnx.NodeProto) -> None:
        """What a move reads and gives has one range; what several read keeps its own."""
        if node.op_type not in MOVES:
            return
        first = node.output[0]
        alone = node.op_type != "Concat"
        read = [name for name in self.data(node) if alone or len(self._readers[name]) == 1]
        for name in (*read, *node.output):
            one, other = self.owner(first), self.owner(name)
            if one != other:
                # What a producer fixes stays the owner.
                if self.is_unit(other) or self.is_pixels(other):
                    one, other = other, one
                self._owners[other] = one

    def _bound(self, node: onnx.NodeProto) -> None:
        module = module_of(node.name)
        for name in node.output:
            readers = self._readers.get(name, [])
            if {r.op_type for r in readers} == {"Sigmoid", "Mul"} and len(readers) == 2:
                self._floors[name] = SILU_FLOOR
            if module.endswith(f".{VALUE}"):
                self._floors[name] = VALUE_FLOOR
            if module.endswith(f".{GATE}"):
                self._limits[self.owner(name)] = GATE_LIMIT


def masked_parts(graph: onnx.GraphProto, parts: Iterable[str]) -> tuple[str, ...]:
    """Those of ``parts`` whose attention shuts places out by large constants."""
    wide = {i.name for i in graph.initializer if _is_mask(i)}
    modules = [module_of(node.name) for node in graph.node if not wide.isdisjoint(node.input)]
    return tuple(p for p in parts if any(m.startswith(f"{p}.") for m in modules))


def _is_mask(constant: onnx.TensorProto) -> bool:
    if constant.data_type != onnx.TensorProto.FLOAT:
        return False
    values = numpy_helper.to_array(constant)
    return bool(values.size and np.abs(values).max() > _MASK)


def _is_norm(module: str) -> bool:
    return module.rpartition(".")[2].endswith("norm")
