"""Short names for an int8 graph's tensors: long ones weigh a tenth of a small network's file."""

from __future__ import annotations

import onnx

from converters.targets.onnx.names import module_of, node_name


def shorten_names(graph: onnx.GraphProto) -> None:
    """Rename tensors to ``t0``, ``t1`` ... and nodes to ``module/n``, in place.

    Inputs and outputs of the graph keep their names, and nodes the module they came from.
    """
    names = {value.name: value.name for part in (graph.input, graph.output) for value in part}
    for index, node in enumerate(graph.node):
        node.name = node_name(module_of(node.name), str(index))
        for part in (node.input, node.output):
            for position, name in enumerate(part):
                # An empty name is an optional input left out.
                part[position] = names.setdefault(name, f"t{len(names)}") if name else ""
    for constant in graph.initializer:
        constant.name = names[constant.name]
    # Shapes in between can be inferred, and may speak of tensors that are no more.
    graph.ClearField("value_info")
