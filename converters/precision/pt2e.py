"""Int8 programs for ExecuTorch, Core ML and LiteRT, by torchao's PT2E quantization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from converters.precision.annotate import PRODUCTS, DynamicInt8Quantizer, Int8Quantizer
from converters.precision.parts import part_filter
from converters.progress import Progress, no_progress


def prepare_program(
    module: nn.Module,
    batches: Sequence[tuple[Tensor, ...]],
    fp32_parts: Sequence[str],
    progress: Progress = no_progress,
) -> fx.GraphModule:
    """The module's graph with calibrated observers, computing in float until they simulate.

    Args:
        module: the module to convert, rewritten for its target.
        batches: its arguments to calibrate on, all of one shape, for which it is exported.
        fp32_parts: parts that stay in float, by their paths in the model.
        progress: called with the batch at hand.
    """
    with torch.no_grad():
        graph = torch.export.export(module, batches[0]).module()
        prepared = prepare_pt2e(graph, Int8Quantizer(part_filter(fp32_parts)))
        for index, batch in enumerate(batches, 1):
            progress(f"calibrating on batch {index} of {len(batches)}")
            prepared(*batch)
    return prepared  # type: ignore[no-any-return]


def quantized_module(
    module: nn.Module, batches: Sequence[tuple[Tensor, ...]], fp32_parts: Sequence[str]
) -> fx.GraphModule:
    """The module's graph with quantizations in it, those of its fp32 weights among them.

    Arguments are those of :func:`prepare_program`.
    """
    prepared = prepare_program(module, batches, fp32_parts)
    return convert_pt2e(prepared, fold_quantize=False)  # type: ignore[no-any-return]


def quantize_program(
    module: nn.Module, batches: Sequence[tuple[Tensor, ...]], fp32_parts: Sequence[str]
) -> ExportedProgram:
    """A program with int8 weights and activations, for the targets to lower.

    Arguments are those of :func:`prepare_program`.
    """
    prepared = prepare_program(module, batches, fp32_parts)
    with torch.no_grad():
        return torch.export.export(convert_pt2e(prepared), batches[0])


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
        _group_products(quantized)
        return torch.export.export(quantized, (example,))


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
