"""A torch module as a ``.tflite`` file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from torch import nn

from converters.job.job import ExportJob
from converters.job.wrapping import ExportableModel, example_input
from converters.precision.apply import PrecisionPlan
from converters.quiet import native_quiet, quiet
from converters.targets.base import INPUT_NAME, output_name
from converters.targets.litert.flatbuffer import pack, unpack
from converters.targets.litert.interface import give_plain_types
from converters.targets.litert.metadata import describe, with_labels
from converters.targets.litert.weights import shrink_weights
from converters.tracing import quick_tracing
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.formats.manifest import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

SIGNATURES: Final[Mapping[Task, str]] = {
    "classification": "classify",
    "multilabel": "classify",
    "embedding": "embed",
    "segmentation": "segment",
    "detection": "detect",
}
"""Names of the signature by which apps call a model."""
_MODULE_SIGNATURE: Final = "run"


class _Named(nn.Module):
    """A module whose arguments and output have names: those of the file's signature."""

    def __init__(self, module: nn.Module, output: str) -> None:
        super().__init__()
        self._module = module
        self._output = output
        # By hand: exported graphs, which have no mode, refuse eval().
        self.training = False

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        return {self._output: self._module(*inputs.values())}


def convert(module: ExportableModel, job: ExportJob, plan: PrecisionPlan, path: Path) -> None:
    """Write ``module`` to ``path`` with what apps need to know to feed it.

    Raises:
        ConversionError: torch or litert_torch refuse the model.
    """
    output = output_name(job.task, job.activation, job.answer)
    example = example_input(job)
    quantized = job.options.precision == "int8"
    content = _convert(
        _quantized(module, plan) if quantized else module,
        SIGNATURES[job.task],
        {INPUT_NAME: example},
        output,
        quantized=quantized,
    )
    model = unpack(shrink_weights(content, job.options.precision))
    give_plain_types(model)
    describe(model, job)
    path.write_bytes(with_labels(pack(model), job))


def convert_module(
    module: nn.Module, inputs: tuple[Tensor, ...], *, quantized: bool = False
) -> bytes:
    """Any module, in eval mode, with its arguments numbered.

    Args:
        module: its graph has quantizations in it where it is ``quantized``.
        inputs: to trace it with.
        quantized: whether the file computes in int8; it takes and gives numbers all the same.

    Raises:
        ConversionError: torch or litert_torch refuse the module.
    """
    named = {f"input_{index}": x for index, x in enumerate(inputs)}
    model = unpack(_convert(module, _MODULE_SIGNATURE, named, "output", quantized=quantized))
    give_plain_types(model)
    return pack(model)


def _quantized(module: ExportableModel, plan: PrecisionPlan) -> nn.Module:
    """The module's graph with quantizations in it."""
    with quiet():
        try:
            from converters.precision.pt2e import quantized_module

            return quantized_module(module, [(b,) for b in plan.batches], plan.fp32_parts)
        # Capturing raises many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"torch.export could not capture the model: {error}") from error


def _convert(
    module: nn.Module,
    signature: str,
    inputs: Mapping[str, Tensor],
    output: str,
    *,
    quantized: bool,
) -> bytes:
    import torch

    with native_quiet(), quick_tracing(), torch.no_grad():
        try:
            import litert_torch

            config = _static() if quantized else None
            converter = litert_torch.signature(
                signature, _Named(module, output), sample_kwargs=dict(inputs)
            )
            content: bytes = converter.convert(quant_config=config).model_content()
        # The converter raises many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"litert_torch could not convert the model: {error}") from error
    return content


def _static() -> Any:
    """That quantizations in the graph are those of int8 arithmetic."""
    from litert_torch.quantize import pt2e_quantizer
    from litert_torch.quantize.quant_config import QuantConfig

    config = pt2e_quantizer.get_symmetric_quantization_config()
    return QuantConfig(pt2e_quantizer=pt2e_quantizer.PT2EQuantizer().set_global(config))
