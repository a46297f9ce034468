"""What the labels of a file are the best of, for the unit's labels to be compared with.

Labels have no margin: fp16 exchanges two classes that are nearly alike, and that is no error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx
from onnx import helper

from converters.targets.loaded import LoadedModel
from converters.targets.onnx import runtime
from mobilevit_edge.errors import ConversionError

_BEST: Final = "ArgMax"


def load_logits(path: Path) -> LoadedModel:
    """A file of labels, made to answer on the processor with the logits before them.

    Raises:
        ConversionError: ONNX Runtime cannot load the file, or its labels come from elsewhere.
    """
    model = onnx.load(path, load_external_data=False)
    best = [node for node in model.graph.node if node.op_type == _BEST]
    if len(best) != 1:
        raise ConversionError(
            f"{path} makes its labels by {len(best)} nodes {_BEST}, and not by one: export it again"
        )
    model.graph.ClearField("output")
    model.graph.output.append(helper.make_empty_tensor_value_info(best[0].input[0]))
    return runtime.load(model.SerializeToString())
