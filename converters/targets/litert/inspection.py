"""Reading back the operators of a ``.tflite`` file, and which of them its delegate takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from converters.quiet import native_quiet
from converters.targets.graph import Graph, Operator
from converters.targets.litert.flatbuffer import kind_of, unpack
from converters.targets.litert.interpreter import open_interpreter
from mobilevit_edge.errors import ConversionError

_DELEGATE: Final = "DELEGATE"
_PRODUCTS: Final = ("FULLY_CONNECTED", "BATCH_MATMUL")
_OF_ACTIVATIONS: Final = " of activations"
_PRODUCTS_OF_ACTIVATIONS: Final = tuple(f"{kind}{_OF_ACTIVATIONS}" for kind in _PRODUCTS)


def read_graph(path: Path) -> Graph:
    """The operators of a ``.tflite`` file.

    Raises:
        ConversionError: the file cannot be read back.
    """
    content = path.read_bytes()
    with native_quiet():
        partitions = list(_partitions(open_interpreter(content, str(path))))
        try:
            model = unpack(content)
            (graph,) = model.subgraphs
        # Damaged bytes fail anywhere in the reader, with whatever that raises.
        except Exception as error:
            raise ConversionError(f"cannot read back {path}: {error!r}") from error
    constants = _constants(model, graph)
    taken = {index for partition in partitions for index in _inside(graph, *partition)}
    return Graph(
        operators=tuple(
            _operator(model, graph, operator, constants, delegated=index in taken)
            for index, operator in enumerate(graph.operators)
        ),
        products=frozenset(_PRODUCTS_OF_ACTIVATIONS),
        gathers=frozenset({"GATHER", "GATHER_ND", "SCATTER_ND", "EMBEDDING_LOOKUP"}),
        resizes=frozenset({"RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"}),
        delegates=len(partitions),
        allowed_outside=frozenset({"ARG_MAX", "RESIZE_NEAREST_NEIGHBOR"}),
    )


def _partitions(interpreter: Any) -> Iterator[tuple[set[int], set[int]]]:
    """Tensors that go into each of the delegate's parts, and those that come out."""
    for operator in interpreter._get_ops_details():
        if operator["op_name"] == _DELEGATE:
            yield set(map(int, operator["inputs"])), set(map(int, operator["outputs"]))


def _inside(graph: Any, inputs: set[int], outputs: set[int]) -> set[int]:
    """Operators on the way from a part's inputs to its outputs, by their places in the file."""
    producers = {
        int(output): index
        for index, operator in enumerate(graph.operators)
        for output in operator.outputs
    }
    found: set[int] = set()
    pending = list(outputs)
    while pending:
        tensor = pending.pop()
        index = producers.get(tensor)
        if index is None or index in found or (tensor in inputs and tensor not in outputs):
            continue
        found.add(index)
        pending.extend(int(source) for source in graph.operators[index].inputs)
    return found


def _constants(model: Any, graph: Any) -> set[int]:
    """Tensors that the file holds, and those that are unpacked from them."""
    found = {
        index
        for index, tensor in enumerate(graph.tensors)
        if model.buffers[tensor.buffer].data is not None
    }
    for operator in graph.operators:
        unpacks = kind_of(model.operatorCodes[operator.opcodeIndex]) == "DEQUANTIZE"
        if unpacks and found.issuperset(map(int, operator.inputs)):
            found.update(map(int, operator.outputs))
    return found


def _operator(
    model: Any, graph: Any, operator: Any, constants: set[int], *, delegated: bool
) -> Operator:
    kind = kind_of(model.operatorCodes[operator.opcodeIndex])
    sources = [graph.tensors[index] for index in operator.inputs if index >= 0]
    results = [graph.tensors[index] for index in operator.outputs]
    if kind in _PRODUCTS and constants.isdisjoint(map(int, operator.inputs[:2])):
        kind += _OF_ACTIVATIONS
    return Operator(
        kind=kind,
        module="",
        rank=max((_rank(tensor) for tensor in results), default=0),
        delegated=delegated,
        macs=0 if delegated else _macs(kind, sources, results),
    )


def _rank(tensor: Any) -> int:
    return 0 if tensor.shape is None else len(tensor.shape)


def _macs(kind: str, sources: list[Any], results: list[Any]) -> int:
    """Multiply-adds of a product: its outputs times what each of them sums up."""
    outputs = math.prod(map(int, results[0].shape)) if results else 0
    match kind:
        case "CONV_2D":
            return outputs * math.prod(map(int, sources[1].shape[1:]))
        case "DEPTHWISE_CONV_2D":
            return outputs * math.prod(map(int, sources[1].shape[1:3]))
        case _ if kind in (*_PRODUCTS, *_PRODUCTS_OF_ACTIVATIONS):
            return outputs * int(sources[0].shape[-1])
        case _:
            return 0
