"""Which tensors of a network become int8, as annotations for torchao's PT2E quantization.

Convolutions, linear layers, SiLU and the residual sums of convolutional blocks are quantized, each
tensor with a range of its own. Norms and the attention's own products stay in float: that is where
8 bits cost accuracy, and little time is spent there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import torch
from torch import fx
from torchao.quantization.pt2e import PlaceholderObserver
from torchao.quantization.pt2e.quantizer import (
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from converters.module_paths import module_path, module_stack
from converters.precision.observers import (
    ClipSearchObserver,
    PixelObserver,
    SigmoidObserver,
    WeightObserver,
)
from converters.precision.ranges import SILU_FLOOR

_ATEN: Final = torch.ops.aten
PRODUCTS: Final = (_ATEN.conv2d.default, _ATEN.conv2d.padding, _ATEN.linear.default)
_MOVES: Final = (
    _ATEN.permute.default,
    _ATEN.reshape.default,
    _ATEN.slice.Tensor,
    _ATEN.flatten.using_ints,
    _ATEN.pad.default,
    _ATEN.relu.default,
)
"""Operators that leave values as they are: their output keeps the input's scale."""
_SMALLEST_SCALE: Final = 1e-12

ACTIVATION: Final = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-128,
    quant_max=127,
    qscheme=torch.per_tensor_affine,
    observer_or_fake_quant_ctr=ClipSearchObserver.with_args(eps=_SMALLEST_SCALE),
)
PIXELS: Final = replace(
    ACTIVATION, observer_or_fake_quant_ctr=PixelObserver.with_args(eps=_SMALLEST_SCALE)
)
SILU_INPUT: Final = replace(
    ACTIVATION,
    observer_or_fake_quant_ctr=ClipSearchObserver.with_args(eps=_SMALLEST_SCALE, floor=SILU_FLOOR),
)
WEIGHT: Final = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-127,
    quant_max=127,
    qscheme=torch.per_channel_symmetric,
    ch_axis=0,
    observer_or_fake_quant_ctr=WeightObserver.with_args(eps=_SMALLEST_SCALE),
)
DYNAMIC: Final = QuantizationSpec(
    dtype=torch.int8,
    quant_min=-128,
    quant_max=127,
    qscheme=torch.per_tensor_affine,
    is_dynamic=True,
    observer_or_fake_quant_ctr=PlaceholderObserver.with_args(eps=_SMALLEST_SCALE),
)
SIGMOID: Final = replace(
    ACTIVATION, observer_or_fake_quant_ctr=SigmoidObserver.with_args(eps=_SMALLEST_SCALE)
)


def _in_norm(node: fx.Node) -> bool:
    """Whether a norm computes this node: statistics of squares need more than 256 levels."""
    # By the part's name, which rewrites keep, since every rewrite has norms of its own.
    return any(path.endswith("norm") for path, _ in module_stack(node))


class Int8Quantizer(Quantizer):  # type: ignore[misc] # untyped base
    """Annotates a graph; ``in_fp32`` says of a module path whether it stays in float."""

    def __init__(self, in_fp32: Callable[[str], bool]) -> None:
        super().__init__()
        self._in_fp32 = in_fp32

    def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
        """Mark nodes in order, so that every rule knows what became of a node's inputs."""
        for node in model.graph.nodes:
            if node.op != "call_function" or _in_norm(node) or self._in_fp32(module_path(node)):
                continue
            if node.target in PRODUCTS:
                _annotate_product(node)
            elif node.target == _ATEN.sigmoid.default:
                _annotate_silu(node)
            elif node.target in (_ATEN.silu.default, _ATEN.mean.dim):
                _annotate_alone(node)
            elif node.target in (_ATEN.add.Tensor, _ATEN.mul.Tensor):
                _annotate_pair(node)
            elif node.target == _ATEN.cat.default:
                _annotate_cat(node)
            elif node.target in _MOVES:
                _annotate_move(node)
        return model

    def validate(self, model: fx.GraphModule) -> None:
        """Nothing to check: the rules only make what XNNPACK has kernels for."""


def _annotation(node: Any) -> QuantizationAnnotation | None:
    return node.meta.get(Q_ANNOTATION_KEY) if isinstance(node, fx.Node) else None


class DynamicInt8Quantizer(Quantizer):  # type: ignore[misc] # untyped base
    """int8 weights; activations are rounded to the range that each of them turns out to have.

    For linear layers and convolutions but depthwise ones, for which XNNPACK has no such kernel.
    """

    def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
        """Mark the products."""
        for node in model.graph.nodes:
            if node.target in PRODUCTS and not _in_norm(node) and not _is_depthwise(node):
                x, weight, *_ = node.args
                _mark(node, {x: DYNAMIC, weight: WEIGHT}, None)
        return model

    def validate(self, model: fx.GraphModule) -> None:
        """Nothing to check: the rules only make what XNNPACK has kernels for."""


def _is_depthwise(node: fx.Node) -> bool:
    groups = node.args[6] if len(node.args) > 6 else 1
    return bool(node.target != _ATEN.linear.default and groups != 1)


def _is_int8(node: Any) -> bool:
    """Whether the node's output is annotated as int8."""
    annotation = _annotation(node)
    return annotation is not None and annotation.output_qspec is not None


def _mark(node: fx.Node, inputs: dict[fx.Node, Any], output: Any) -> None:
    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
        input_qspec_map=inputs, output_qspec=output, _annotated=True
    )


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _annotate_product(node: fx.Node) -> None:
    x, weight, *_ = node.args
    assert isinstance(x, fx.Node)
    assert isinstance(weight, fx.Node)
    if weight.meta["val"].shape[0] == 1:
        # One output channel is a score of the attention: little work, and softmax reads it.
        return
    inputs = {x: PIXELS if _is_image(x) else ACTIVATION, weight: WEIGHT}
    user = _only_user(node)
    if user is not None and user.target == _ATEN.relu.default:
        # Fused: the product's own output never exists.
        _mark(node, inputs, None)
        _mark(user, {}, ACTIVATION)
    else:
        _mark(node, inputs, SILU_INPUT if _feeds_silu(node) else ACTIVATION)


def _is_image(node: fx.Node) -> bool:
    """Whether a node is the network's input, cast, scaled, less a mean, or its axes moved."""
    while node.op == "call_function":
        sources = [source for source in node.all_input_nodes if source.op != "get_attr"]
        if len(sources) != 1:
            return False
        (node,) = sources
    return node.op == "placeholder"


def _feeds_silu(node: fx.Node) -> bool:
    """Whether a SiLU, as a product with a sigmoid, is all that reads a node."""
    if _only_user(node) is not None:
        return next(iter(node.users)).target == _ATEN.silu.default
    sigmoids = [user for user in node.users if user.target == _ATEN.sigmoid.default]
    readers = {user for sigmoid in sigmoids for user in sigmoid.users} | set(sigmoids)
    return len(sigmoids) == 1 and set(node.users) <= readers


def _annotate_silu(sigmoid: fx.Node) -> None:
    x = sigmoid.args[0]
    product = _only_user(sigmoid)
    assert isinstance(x, fx.Node)
    if product is None or product.target != _ATEN.mul.Tensor or not _is_int8(x):
        return
    _mark(sigmoid, {x: ACTIVATION}, SIGMOID)
    _mark(product, {x: ACTIVATION, sigmoid: SIGMOID}, ACTIVATION)


def _annotate_pair(node: fx.Node) -> None:
    """A sum or product of two int8 tensors, unless it is part of a SiLU already annotated."""
    if _annotation(node) is None and all(_is_int8(x) for x in node.args):
        _mark(node, dict.fromkeys(node.all_input_nodes, ACTIVATION), ACTIVATION)


def _annotate_cat(node: fx.Node) -> None:
    """One scale for all parts, since a concatenation computes nothing."""
    first, *others = node.all_input_nodes
    if all(_is_int8(x) for x in (first, *others)):
        shared = SharedQuantizationSpec((first, node))
        _mark(node, {first: ACTIVATION, **dict.fromkeys(others, shared)}, shared)


def _annotate_alone(node: fx.Node) -> None:
    """One input, and an output with a range of its own: a mean's is far smaller than its map's."""
    x = node.args[0]
    if _is_int8(x):
        _mark(node, {x: ACTIVATION}, ACTIVATION)  # type: ignore[dict-item]


def _annotate_move(node: fx.Node) -> None:
    x = node.args[0]
    if _is_int8(x) and _annotation(node) is None:
        shared = SharedQuantizationSpec(x)
        _mark(node, {x: shared}, shared)  # type: ignore[dict-item]
