"""Files in fp16 for the NPU: half of the bytes, and the same programs on it.

It computes fp32 files in fp16 anyway. What differs is what its compiler recognizes: a
root-mean-square norm of seven operators only in fp32, and as one operator in both.
"""

from __future__ import annotations

import onnx
from onnx import version_converter

from converters.quiet import quiet
from converters.targets.onnx.npu.norms import fuse_norms
from converters.targets.onnx.npu.unit import NORMS_OPSET


def as_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with all weights and tensors in fp16, but for its input and output."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = version_converter.convert_version(model, NORMS_OPSET)
    fuse_norms(model.graph)
    # Its shapes are known to the exporter, and types change now.
    model.graph.ClearField("value_info")
    with quiet():
        # A weight that fp16 cannot hold is cut to its largest number, which verification finds.
        converted: onnx.ModelProto = convert_float_to_float16(
            model, keep_io_types=True, op_block_list=[]
        )
    _read_first(converted.graph)
    return converted


def _read_first(graph: onnx.GraphProto) -> None:
    """Put the cast of a float input before all that reads it: the converter adds it at the end."""
    image = graph.input[0].name
    for node in [n for n in graph.node if n.op_type == "Cast" and image in n.input]:
        graph.node.remove(node)
        graph.node.insert(0, node)
