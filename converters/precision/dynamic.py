"""Programs with int8 weights whose activations are rounded while they run, for ExecuTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from converters.precision.annotate import PRODUCTS, DynamicInt8Quantizer

_DEQUANTIZE: Final = (torch.ops.quantized_decomposed.dequantize_per_tensor.tensor,)


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
        return torch.export.export(quantized, (example,))


def _round_for_pixels(graph: fx.GraphModule) -> None:
    """Give products of single pixels a rounding of their own where other convolutions share it.

    XNNPACK computes 1x1 convolutions as linear layers, with a range for every pixel. A convolution
    of more pixels that takes the same rounded tensor would read the first pixel's as that of all.
    """
    for dequantized in [n for n in graph.graph.nodes if n.target in _DEQUANTIZE]:
        pixels = [user for user in dequantized.users if _is_of_pixels(user)]
        if len(pixels) == len(dequantized.users):
            continue
        for product in pixels:
            product.replace_input_with(dequantized, _copied(dequantized, product))
    graph.recompile()


def _copied(dequantized: fx.Node, product: fx.Node) -> fx.Node:
    """What rounds a product's input, once more: its range, and a grid of that."""
    quantized: Any = dequantized.args[0]
    copies: dict[fx.Node, fx.Node] = {}
    with dequantized.graph.inserting_before(product):
        for scale in quantized.args[1:3]:
            (range_,) = scale.all_input_nodes
            for node in (range_, scale):
                if node not in copies:
                    copies[node] = _copy(node, copies)
        for node in (quantized, dequantized):
            copies[node] = _copy(node, copies)
    return copies[dequantized]


def _copy(node: fx.Node, copies: Mapping[fx.Node, fx.Node]) -> fx.Node:
    return node.graph.node_copy(node, lambda old: copies.get(old, old))


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
    graph.recompile()


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
