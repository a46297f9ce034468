"""Dynamic int8 in ONNX: activations are rounded to the range they turn out to have.

For products with weights (MatMul, Gemm), which ONNX Runtime fuses into one kernel. Its convolution
of that kind has no fast kernel, so the weights of convolutions are stored as int8 and computed with
in float.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from converters.quiet import quiet
from converters.targets.onnx.int8.weights import quantize_onnx_weights


def quantize_onnx_dynamic(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of an fp32 graph with dynamic int8 products and int8 convolution weights."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "model.onnx"
        source = quantize_onnx_weights(proto, ("Conv",))
        # The quantizer transposes Gemm's weights and would leave their old shapes behind.
        source.graph.ClearField("value_info")
        quantize_dynamic(
            source,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
        return onnx.load(path)
