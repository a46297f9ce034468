"""Int8 programs for ExecuTorch, by torchao's PT2E quantization."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from converters.precision.annotate import DynamicInt8Quantizer, Int8Quantizer
from converters.precision.parts import keeps


def prepare_program(
    module: nn.Module,
    batches: Sequence[tuple[Tensor, ...]],
    keep: Sequence[str],
    progress: Callable[[str], None] = lambda _: None,
) -> fx.GraphModule:
    """The module's graph with calibrated observers, computing in float until they simulate.

    Args:
        module: the deployed module, rewritten for ExecuTorch.
        batches: its arguments to calibrate on, all of one shape, for which it is exported.
        keep: parts that stay in float, by their paths in the model.
        progress: told which batch is on.
    """
    with torch.no_grad():
        graph = torch.export.export(module, batches[0]).module()
        prepared = prepare_pt2e(graph, Int8Quantizer(keeps(keep)))
        for index, batch in enumerate(batches, 1):
            progress(f"calibrating on batch {index} of {len(batches)}")
            prepared(*batch)
    return prepared  # type: ignore[no-any-return]


def quantize_program(
    module: nn.Module,
    batches: Sequence[tuple[Tensor, ...]],
    keep: Sequence[str],
    progress: Callable[[str], None] = lambda _: None,
) -> ExportedProgram:
    """A program with int8 weights and activations, for ``partition.int8_delegate`` to lower.

    Arguments are those of :func:`prepare_program`.
    """
    prepared = prepare_program(module, batches, keep, progress)
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
        return torch.export.export(convert_pt2e(prepared), (example,))
