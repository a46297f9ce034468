"""ExecuTorch: lower through XNNPACK, run with ExecuTorch's own runtime in a child process."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from converters.checks.graph_contract import Graph
from converters.quiet import quiet
from converters.targets.base import LoadedModel
from converters.targets.child import ChildRunner
from converters.targets.executorch.lowering import delegate_for, lower
from converters.targets.executorch.pte import read_graph
from mobilevit_edge.errors import ConversionError, MissingPackageError, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram

    from converters.export.options import ExportOptions
    from converters.export.source import SourceModel
    from converters.precision.apply import PrecisionPlan
    from mobilevit_edge.specs import ModelSpec

if importlib.util.find_spec("executorch") is None:
    raise MissingPackageError("executorch")

MODEL_FILE: Final = "model.pte"
PRECISIONS: Final = ("fp32", "fp16", "int8", "int8-dynamic")
ETRECORD_FOLDER: Final = "profiling"
ETRECORD_FILE: Final = "etrecord.bin"
_REWRITES: Final = (
    "batch_norm_fold",
    "norm_affine_fold",
    "key_after_pooling",
    "explicit_attention",
    "norm_from_poolings",
    "phase_layout",
    "token_layout",
    "layer_norm_as_projections",
    "linear_pair_merge",
    "head_as_convolution",
    "early_pooling",
)
_PACKAGES: Final = ("torch", "executorch")
_WORKER: Final = "converters.targets.executorch.worker"


def rewrites(spec: ModelSpec, options: ExportOptions) -> tuple[str, ...]:
    """By measurement: ``docs/latency.md``, and ``docs/arm.md`` for what V1's line does in fp32."""
    if options.backend == "xnnpack" and options.precision == "fp32" and spec.layout == "tokens":
        return (*_REWRITES, "bounded_softmax", "tanh_silu")
    return (*_REWRITES, "explicit_silu")


def convert(
    module: nn.Module,
    prepared: SourceModel,
    options: ExportOptions,
    path: Path,
    reduced: PrecisionPlan,
) -> None:
    """Lower ``module`` to ``path``; constant methods describe its input.

    Raises:
        ConversionError: torch or executorch refuse the model.
        UsageError: a dynamic batch, which the delegate's memory plan does not take.
    """
    if options.batch is None:
        raise UsageError("executorch bundles have a fixed batch: pass --batch N")
    from converters.export.wrapping import example_input

    content = lower(
        _capture(module, example_input(prepared, options), options, reduced),
        delegate_for(options),
        constant_methods=_constant_methods(prepared, options),
        etrecord=path.with_name(ETRECORD_FOLDER) / ETRECORD_FILE if options.etrecord else None,
    )
    path.write_bytes(content)


def _capture(
    module: nn.Module, example: Tensor, options: ExportOptions, reduced: PrecisionPlan
) -> ExportedProgram:
    import torch

    with quiet():
        try:
            match options.precision:
                case "int8":
                    from converters.precision.pt2e import quantize_program

                    return quantize_program(module, [(b,) for b in reduced.batches], reduced.kept)
                case "int8-dynamic":
                    from converters.precision.pt2e import quantize_program_dynamic

                    return quantize_program_dynamic(module, example)
                case _:
                    with torch.no_grad():
                        return torch.export.export(module, (example,))
        # Capturing raises many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"torch.export could not capture the model: {error}") from error


def inspect(path: Path) -> Graph:
    """The operators of a ``.pte`` file, inside and outside its delegate."""
    with quiet():
        return read_graph(path)


def load(path: Path) -> LoadedModel:
    """A ``.pte`` file in a child process with one thread.

    Raises:
        ConversionError: the runtime refuses the file, or crashes.
    """
    version = importlib.metadata.version("executorch")
    return LoadedModel(ChildRunner(_WORKER, path).run, f"executorch {version}, XNNPACK")


def versions() -> Mapping[str, str]:
    """Versions of the packages that made the artifact."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def _constant_methods(prepared: SourceModel, options: ExportOptions) -> dict[str, Any]:
    """What an app can ask the file itself, without the manifest."""
    height, width = prepared.image_size
    order = "RGB" if options.raw_input else prepared.preprocessing.channel_order
    return {
        "input_height": height,
        "input_width": width,
        "input_is_bgr": order == "BGR",
        "input_is_bytes_nhwc": options.raw_input,
        "input_scale": 1.0 if options.raw_input else 1 / 255,
        "output_is_softmax": options.softmax,
        "num_outputs": prepared.outputs,
    }
