"""Reading back the operators of a Core ML package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from converters.targets.coreml.evaluator.program import Operation
from converters.targets.coreml.runtime import read
from converters.targets.graph import Graph, Operator

_SEPARATOR: Final = "__"


def read_graph(path: Path) -> Graph:
    """The operators of all functions of a package, as read back from its file.

    Constants and the arithmetic of a flexible program on its own sizes are left out: neither works
    on the image's data.

    Raises:
        ConversionError: the package cannot be read back.
    """
    model = read(path)
    return Graph(
        operators=tuple(
            Operator(operation.kind, _module_of(operation), operation.rank)
            for function in model.functions
            for operation in model.operations(function)
            if not operation.is_constant and not _is_about_sizes(operation)
        ),
        products=frozenset({"matmul", "einsum"}),
        gathers=frozenset(
            {"gather", "gather_along_axis", "gather_nd", "scatter", "scatter_along_axis"}
            | {"scatter_nd", "tile"}
        ),
        resizes=frozenset(
            {"upsample_bilinear", "upsample_nearest_neighbor", "resize", "resize_bilinear"}
            | {"resize_nearest_neighbor", "crop_resize"}
        ),
    )


def _is_about_sizes(operation: Operation) -> bool:
    """Whether every output is made of integers of rank 1 or less: shapes, not data."""
    types = [output.type for output in operation.outputs]
    return all(
        type_ is not None and type_.dtype.startswith(("int", "uint")) and len(type_.shape) <= 1
        for type_ in types
    )


def _module_of(operation: Operation) -> str:
    module, separator, _ = operation.name.partition(_SEPARATOR)
    return module if separator else ""
