"""Reading back the operators of an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx

from converters.targets.graph import SUPPRESSION, UNKNOWN, Graph, Operator
from converters.targets.onnx.names import module_of
from mobilevit_edge.errors import ConversionError

_UNKNOWN_PREFIX: Final = "unk__"
"""What shape inference calls a size that it cannot follow."""


def read_graph(path: Path) -> Graph:
    """The operators of an ONNX file, with ranks by shape inference.

    Raises:
        ConversionError: the file cannot be read back.
    """
    try:
        proto = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True)
    # protobuf and onnx raise many types on a damaged file.
    except Exception as error:
        raise ConversionError(f"cannot read back {path}: {error}") from error
    graph = proto.graph
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for part in (graph.input, graph.value_info, graph.output)
        for value in part
    }
    return Graph(
        operators=tuple(
            Operator(
                kind=node.op_type,
                module=module_of(node.name),
                rank=max((len(shapes.get(output, ())) for output in node.output), default=0),
            )
            for node in graph.node
        ),
        products=frozenset({"MatMul", "Einsum", "Attention"}),
        gathers=frozenset(
            {"Gather", "GatherElements", "GatherND", "ScatterND", "ScatterElements", "Col2Im"}
        ),
        resizes=frozenset({"Resize", "Upsample"}),
        symbols=frozenset(
            UNKNOWN if side.startswith(_UNKNOWN_PREFIX) else side
            for name, shape in shapes.items()
            for side in shape
            if isinstance(side, str) and not name.startswith(f"{SUPPRESSION}.")
        ),
    )
