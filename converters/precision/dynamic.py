"""Programs with int8 weights whose activations are rounded while they run, for ExecuTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from converters.precision.annotate import PRODUCTS, DynamicInt8Quantizer

_DEQUANTIZE: Final = torch.ops.quantized_decomposed.dequantize_per_tensor.tensor


def quantize_program_dynamic(module: nn.Module, example: Tensor) -> ExportedProgram:
    """A program with int8 weights whose activations are rounded to the range they have at run time.

    Linear layers and convolutions but depthwise ones; the rest computes in float. It needs no
    calibration.
    """
    with torch.no_grad():
        graph = torch.export.export(module, (example,)).module()
        prepared = prepare_pt2e(graph, DynamicInt8Quantizer())
        prepared(example)
        quantized = convert_pt2e(prepared)
        _round_for_pixels(quantized)
        _group_products(quantized)
        quantized.recompile()
        return torch.export.export(quantized, (example,))


def _round_for_pixels(graph: fx.GraphModule) -> None:
    """Give products of single pixels a rounding of their own where other convolutions share it.

    XNNPACK computes 1x1 convolutions as linear layers, with a range for every pixel. A convolution
    of more pixels that takes the same rounded tensor would read the first pixel's as that of all.
    """
    for dequantized in graph.graph.find_nodes(op="call_function", target=_DEQUANTIZE):
        pixels = [user for user in dequantized.users if _is_of_pixels(user)]
        if 0 < len(pixels) < len(dequantized.users):
            copy = _copied(dequantized)
            for product in pixels:
                product.replace_input_with(dequantized, copy)


def _copied(dequantized: fx.Node) -> fx.Node:
    """What rounds a tensor, once more: its range, a grid of that, and both ways."""
    quantized: Any = dequantized.args[0]
    _, scale, zero_point, *_ = quantized.args
    (range_,) = scale.all_input_nodes
    copies: dict[fx.Node, fx.Node] = {}
    with dequantized.graph.inserting_before(dequantized.next):
        for node in (range_, scale, zero_point, quantized, dequantized):
            copies[node] = node.graph.node_copy(node, lambda old: copies.get(old, old))
    return copies[dequantized]


def _group_products(graph: fx.GraphModule) -> None:
    """Put products of the same rounded tensor, such as queries and values, next to each other.

    XNNPACK's partitioner keeps them together with their rounding. Where what depends on the first
    of them stands before the last, it ends its delegate there: one for each layer of attention.
    """
    order = {node: index for index, node in enumerate(graph.graph.nodes)}
    for node in order:
        products = sorted((user for user in node.users if _is_product(user)), key=order.__getitem__)
        for product in products[1:]:
            for constant in _inputs_after(products[0], product, order):
                products[0].prepend(constant)
            products[0].append(product)


def _is_of_pixels(node: fx.Node) -> bool:
    if not _is_product(node):
        return False
    weight: Any = node.args[1]
    stored: Any = weight.args[0]
    kernel = getattr(node.graph.owning_module, stored.target).shape[2:]
    return tuple(kernel) in ((), (1, 1))


def _is_product(node: fx.Node) -> bool:
    return node.op == "call_function" and node.target in PRODUCTS


def _inputs_after(first: fx.Node, product: fx.Node, order: Mapping[fx.Node, int]) -> list[fx.Node]:
    """What a product's weights and bias are made of behind ``first``, in order."""
    found: set[fx.Node] = set()
    pending = [product]
    while pending:
        late = {n for n in pending.pop().all_input_nodes if order[n] > order[first]}
        pending += late - found
        found |= late
    return sorted(found, key=order.__getitem__)
