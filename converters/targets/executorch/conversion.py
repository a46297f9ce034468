"""A torch module as a ``.pte`` file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from converters.job.job import ExportJob
from converters.job.wrapping import ExportableModel, example_input
from converters.precision.apply import PrecisionPlan
from converters.quiet import quiet
from converters.targets.executorch.delegates import delegate_for
from converters.targets.executorch.lowering import lower
from mobilevit_edge.errors import ConversionError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

ETRECORD_FOLDER: Final = "profiling"
ETRECORD_FILE: Final = "etrecord.bin"


def convert(module: ExportableModel, job: ExportJob, plan: PrecisionPlan, path: Path) -> None:
    """Lower ``module`` to ``path``; constant methods describe its input.

    Raises:
        ConversionError: torch or executorch refuse the model.
    """
    options = job.options
    content = lower(
        _capture(module, job, plan),
        delegate_for(options.backend, options.precision),
        constant_methods=_constant_methods(job),
        etrecord=path.with_name(ETRECORD_FOLDER) / ETRECORD_FILE if options.etrecord else None,
    )
    path.write_bytes(content)


def _capture(module: ExportableModel, job: ExportJob, plan: PrecisionPlan) -> ExportedProgram:
    import torch

    with quiet():
        try:
            match job.options.precision:
                case "int8":
                    from converters.precision.pt2e import quantize_program

                    return quantize_program(module, [(b,) for b in plan.batches], plan.fp32_parts)
                case "int8-dynamic":
                    from converters.precision.dynamic import quantize_program_dynamic

                    return quantize_program_dynamic(module, example_input(job))
                case _:
                    with torch.no_grad():
                        return torch.export.export(module, (example_input(job),))
        # Capturing raises many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"torch.export could not capture the model: {error}") from error


def _constant_methods(job: ExportJob) -> dict[str, Any]:
    """What an app can ask the file itself, without the manifest."""
    contract = job.artifact_input
    height, width = contract.image_size
    return {
        "input_height": height,
        "input_width": width,
        "input_is_bgr": contract.channel_order == "BGR",
        "input_is_bytes_nhwc": contract.dtype == "uint8",
        "input_scale": contract.scale,
        "input_mean": list(contract.normalization.mean),
        "input_std": list(contract.normalization.std),
        "output_activation": job.activation,
        "task": job.task,
        "num_outputs": job.source.outputs,
    }
