"""Int8 programs for ExecuTorch, Core ML and LiteRT, by torchao's PT2E quantization."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from converters.precision.annotate import Int8Quantizer
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
