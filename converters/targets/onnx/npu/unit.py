"""What is particular to ONNX files for the NPU: rewrites, operators, options, input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from converters.job.options import AUTOMATIC, ExportOptions
from converters.job.precisions import PRECISIONS
from converters.targets.onnx.npu.chips import CHIPS
from converters.targets.onnx.npu.compiler import require_compiler
from mobilevit_edge.errors import UsageError
from mobilevit_edge.head_specs import HeadName

if TYPE_CHECKING:
    import onnx

REWRITES: Final = (
    "batch_norm_fold",
    "norm_affine_fold",
    "key_after_pooling",
    "explicit_attention",
    "stem_space_to_depth",
    "band_layout",
    "phase_mask",
    "root_mean_square",
    "folded_attention",
    "padded_heads",
    "split_heads",
    "split_fusion",
    "masked_pooling",
    "linear_pair_merge",
    "head_as_convolution",
)
"""By simulated cycles: ``docs/howto/npu.md``."""
OF_HEADS: Final[Mapping[HeadName, tuple[str, ...]]] = {
    "deeplabv3": ("image_pooling_as_bias",),
    "pspnet": ("pixel_pyramid",),
    "ssdlite": (),
}
"""Of heads for masks and boxes. A pyramid's pixels are rows, since maps have channels last."""

OPERATORS: Final = frozenset(
    {
        "Add",
        "ArgMax",
        "Cast",
        "Concat",
        "Conv",
        "DepthToSpace",
        "DequantizeLinear",
        "Div",
        "Exp",
        "Flatten",
        "InstanceNormalization",
        "MatMul",
        "Mul",
        "Pow",
        "QuantizeLinear",
        "Reciprocal",
        "ReduceMean",
        "RMSNormalization",
        "Relu",
        "Reshape",
        "Resize",
        "Sigmoid",
        "Slice",
        "Softmax",
        "SpaceToDepth",
        "Split",
        "Sqrt",
        "Sub",
        "Transpose",
    }
)
"""Those that the compiler takes on every chip, in the forms that these rewrites give them."""
NORMS_AS_ONE: Final = ("fp16", "w8a16", "mixed")
"""Precisions whose norms must be one operator, or the compiler does not recognize them."""
_SCALE, _ZERO = "pixel_scale", "pixel_zero_point"
"""Of the image's bytes."""
NORMS_OPSET: Final = 23
"""The first with RMSNormalization; integers of 16 bits are there from 21 on."""


def check_npu_options(options: ExportOptions) -> None:
    """Refuse what the unit cannot have.

    Raises:
        UsageError: a dynamic batch or size, a precision that its graphs are not written in, or an
            unknown chip.
        MissingPackageError: its compiler is needed and not installed.
        ToolchainError: its compiler is needed and does not exist here.
    """
    if options.batch is None:
        raise UsageError("--unit npu needs a fixed batch: its graphs have no open dimension")
    if options.dynamic_size:
        raise UsageError("--unit npu needs one image size: its graphs have no open dimension")
    if options.unit not in PRECISIONS[options.precision].units:
        has = ", ".join(p.name for p in PRECISIONS.values() if options.unit in p.units)
        raise UsageError(f"--unit npu has no {options.precision}; it supports {has}")
    if options.int8_keep == (AUTOMATIC,):
        raise UsageError("--int8-keep auto belongs to --precision int8; mixed chooses for the NPU")
    if options.precision in NORMS_AS_ONE and (options.opset or NORMS_OPSET) < NORMS_OPSET:
        raise UsageError(f"{options.precision} needs operators of --opset {NORMS_OPSET}")
    unknown = [name for name in options.soc if name not in CHIPS]
    if unknown:
        known = ", ".join(f"{chip.name} ({chip.product})" for chip in CHIPS.values())
        raise UsageError(f"--soc {unknown[0]} is not known; choose from {known}")
    if len(set(options.soc)) < len(options.soc):
        raise UsageError("--soc names a chip twice")
    if options.precision == "mixed" or options.soc:
        require_compiler()


def dequantize_pixels(graph: onnx.GraphProto) -> None:
    """Bytes become numbers by a scale of one instead of a cast, where the input is bytes.

    1 (x - 0) is x; the unit's compiler reads integers as quantized values and knows no other.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    image = graph.input[0]
    if image.type.tensor_type.elem_type != TensorProto.UINT8:
        return
    scale = numpy_helper.from_array(np.array(1, np.float32), _SCALE)
    zero = numpy_helper.from_array(np.array(0, np.uint8), _ZERO)
    graph.initializer.extend((scale, zero))
    (cast,) = (node for node in graph.node if image.name in node.input)
    assert cast.op_type == "Cast"
    given = [image.name, scale.name, zero.name]
    pixels = helper.make_node("DequantizeLinear", given, cast.output, "DequantizeLinear")
    graph.node.remove(cast)
    graph.node.insert(0, pixels)


def move_as_bytes(graph: onnx.GraphProto) -> None:
    """Join the pixels that the stem takes at once as the bytes that they are, if they are bytes.

    Behind SpaceToDepth they are rounded to what they are already: that is exact, and the compiler
    then moves a byte where it would move two, seven times faster. Not where a mean was subtracted.
    """
    from onnx import helper

    readers = {name: node for node in graph.node for name in node.input}
    first = graph.node[0]
    if first.op_type != "DequantizeLinear":
        return
    last = first
    while (after := readers[last.output[0]]).op_type in ("Transpose", "SpaceToDepth"):
        last = after
    if last.op_type != "SpaceToDepth":
        return
    moved, exact = last.output[0], f"{last.output[0]}_exact"
    last.output[0] = exact
    place = list(graph.node).index(last) + 1
    names = [f"{kind}_{moved}" for kind in ("QuantizeLinear", "DequantizeLinear")]
    steps = ((names[0], exact, f"{moved}_uint8"), (names[1], f"{moved}_uint8", moved))
    for offset, (title, source, result) in enumerate(steps):
        kind = title.partition("_")[0]
        pair = helper.make_node(kind, [source, _SCALE, _ZERO], [result], title)
        graph.node.insert(place + offset, pair)
