"""Non-maximum suppression at the end of an ONNX graph, as :func:`mobilevit_edge.boxes.detect`.

ONNX's operator has no limit on the boxes of a class that it compares, so the best of each class are
chosen before it; and it answers as many rows as remain, so they are written back to where they came
from, and the best of all classes chosen from there: every other shape is fixed. Classes take the
place of the operator's batches, since each of them has candidates of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from converters.targets.graph import SUPPRESSION
from converters.targets.onnx.names import node_name
from mobilevit_edge.boxes import BOX_VALUES, DETECTION_VALUES, DetectionRules

if TYPE_CHECKING:
    import onnx

_FIRST_OBJECT: Final = BOX_VALUES + 1
"""The column of the first class after the background's."""


def append_suppression(graph: onnx.GraphProto, rules: DetectionRules) -> None:
    """Make the graph's output, decoded boxes ``[B, N, 4 + C]``, detections ``[B, D, 6]``.

    A row is x1, y1, x2, y2, score, label; rows of zeros follow the last detection.
    """
    from onnx import TensorProto, helper

    (answer,) = graph.output
    batch, anchors, columns = answer.type.tensor_type.shape.dim
    classes = columns.dim_value - _FIRST_OBJECT
    chosen = min(rules.candidates, anchors.dim_value)
    count = min(rules.detections, classes * chosen)
    for node in graph.node:
        for index, name in enumerate(node.output):
            if name == answer.name:
                node.output[index] = _part("decoded")
    add = _Nodes(graph)

    rows = _part("decoded")
    add(
        "Slice",
        (rows, add.ints("from_box", 0), add.ints("to_box", BOX_VALUES), add.ints("columns", 2)),
        "corners",
    )
    add(
        "Slice",
        (
            rows,
            add.ints("from_class", _FIRST_OBJECT),
            add.ints("to_class", columns.dim_value),
            _part("columns"),
        ),
        "scores",
    )
    add("Transpose", (_part("scores"),), "by_class", perm=(0, 2, 1))
    # The best of each class: [B, classes, chosen]
    add("TopK", (_part("by_class"), add.ints("chosen", chosen)), "best", "places")
    # [B, classes, chosen] -> [B, classes * chosen, 1], then their boxes, [B, classes * chosen, 4]
    add("Reshape", (_part("places"), add.ints("as_rows", 0, classes * chosen, 1)), "place_rows")
    add("GatherND", (_part("corners"), _part("place_rows")), "candidates", batch_dims=1)
    # A batch for each class of each image: [B * classes, chosen, 4] and [B * classes, 1, chosen]
    add("Reshape", (_part("candidates"), add.ints("box_batches", -1, chosen, BOX_VALUES)), "boxes")
    add("Reshape", (_part("best"), add.ints("score_batches", -1, 1, chosen)), "probabilities")
    limits = (
        add.constant("most", np.int64(chosen)),
        add.constant("overlap", np.float32(rules.overlap)),
        add.constant("least", np.float32(rules.score)),
    )
    add("NonMaxSuppression", (_part("boxes"), _part("probabilities"), *limits), "kept")
    # Those that remain keep their scores; all others have none: [B * classes, 1, chosen]
    add("GatherND", (_part("probabilities"), _part("kept")), "kept_scores")
    add("Mul", (_part("probabilities"), add.constant("zero", np.float32(0))), "none")
    add("ScatterND", (_part("none"), _part("kept"), _part("kept_scores")), "remaining")
    add("Reshape", (_part("remaining"), add.ints("as_images", -1, classes * chosen)), "all")
    # The best of all classes: [B, count]
    add("TopK", (_part("all"), add.ints("count", count)), "surest", "where")
    add("Unsqueeze", (_part("where"), _part("columns")), "where_rows")
    add("GatherND", (_part("candidates"), _part("where_rows")), "surest_boxes", batch_dims=1)
    add("Div", (_part("where_rows"), _part("chosen")), "class")
    add("Add", (_part("class"), add.ints("background", 1)), "label")
    add("Cast", (_part("label"),), "labels", to=TensorProto.FLOAT)
    add("Unsqueeze", (_part("surest"), _part("columns")), "surest_scores")
    add("Concat", (_part("surest_boxes"), _part("surest_scores"), _part("labels")), "found", axis=2)
    # Where nothing remains, the score is zero, and so is the row.
    add("Greater", (_part("surest_scores"), _part("zero")), "is_found")
    add("Cast", (_part("is_found"),), "factor", to=TensorProto.FLOAT)
    add.last("Mul", (_part("found"), _part("factor")), answer.name)

    side = batch.dim_param or batch.dim_value
    answer.CopyFrom(
        helper.make_tensor_value_info(
            answer.name, TensorProto.FLOAT, (side, count, DETECTION_VALUES)
        )
    )


def _part(name: str) -> str:
    return f"{SUPPRESSION}.{name}"


class _Nodes:
    """Adds nodes and constants to a graph, under this module's name."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph

    def ints(self, name: str, *values: int) -> str:
        """A constant of integers, ``[len(values)]``."""
        return self.constant(name, np.array(values, np.int64))

    def constant(self, name: str, value: np.generic | np.ndarray) -> str:
        """A constant of this shape and type."""
        from onnx import numpy_helper

        self._graph.initializer.append(numpy_helper.from_array(np.asarray(value), _part(name)))
        return _part(name)

    def __call__(
        self, kind: str, inputs: tuple[str, ...], *outputs: str, **attributes: object
    ) -> None:
        """A node with these outputs."""
        self._add(kind, inputs, [_part(output) for output in outputs], **attributes)

    def last(self, kind: str, inputs: tuple[str, ...], output: str) -> None:
        """The node whose output is the graph's."""
        self._add(kind, inputs, [output])

    def _add(
        self, kind: str, inputs: tuple[str, ...], outputs: list[str], **attributes: object
    ) -> None:
        from onnx import helper

        title = f"{kind}_{len(self._graph.node)}"
        node = helper.make_node(kind, inputs, outputs, node_name(SUPPRESSION, title))
        node.attribute.extend(
            helper.make_attribute(key, value) for key, value in attributes.items()
        )
        self._graph.node.append(node)
