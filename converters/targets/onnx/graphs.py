"""Graphs whose operators are replaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx


def replace_nodes(
    graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], constants: Iterable[onnx.TensorProto]
) -> None:
    """Let a graph consist of ``nodes``, and of those ``constants`` that they read.

    Args:
        graph: edited in place.
        nodes: in order; they may be the graph's own.
        constants: to choose from; they may be the graph's own.
    """
    # Copies: clearing a field empties what was in it.
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    used = {name for node in copies for name in node.input}
    kept = [
        onnx.TensorProto.FromString(constant.SerializeToString())
        for constant in constants
        if constant.name in used
    ]
    for field in ("node", "initializer"):
        graph.ClearField(field)
    graph.node.extend(copies)
    graph.initializer.extend(kept)
