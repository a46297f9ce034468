"""ExecuTorch: lower through XNNPACK, run with ExecuTorch's own runtime in a child process."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from converters.audit import Graph
from converters.backend import LoadedModel
from converters.child import ChildRunner
from converters.pte import read_graph
from mobilevit_edge.errors import ConversionError, MissingPackageError, UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from converters.options import ExportOptions
    from converters.prepare import Prepared

if importlib.util.find_spec("executorch") is None:
    raise MissingPackageError("executorch", "executorch")

MODEL_FILE: Final = "model.pte"
PRECISIONS: Final = ("fp32", "fp16")
REWRITES: Final = (
    "batch_norm_fold",
    "norm_affine_fold",
    "key_after_pooling",
    "explicit_attention",
    "explicit_silu",
    "norm_from_poolings",
    "phase_layout",
    "token_layout",
    "layer_norm_as_projections",
    "linear_pair_merge",
    "head_as_convolution",
    "early_pooling",
)
"""By measurement: ``docs/latency.md``."""
_PACKAGES: Final = ("torch", "executorch")
_WORKER: Final = "converters.executorch_worker"


def convert(module: nn.Module, prepared: Prepared, options: ExportOptions, path: Path) -> None:
    """Lower ``module`` to ``path``; constant methods describe its input.

    Raises:
        ConversionError: torch or executorch refuse the model.
        UsageError: a dynamic batch, which the delegate's memory plan does not take.
    """
    if options.batch is None:
        raise UsageError("executorch bundles have a fixed batch: pass --batch N")
    from converters.deploy import example_input

    example = example_input(prepared, options)
    path.write_bytes(lower(module, (example,), _constant_methods(prepared, options)))


def lower(
    module: nn.Module, inputs: tuple[Tensor, ...], constant_methods: dict[str, Any] | None = None
) -> bytes:
    """Any module as a ``.pte`` file that XNNPACK runs as far as it can.

    Raises:
        ConversionError: torch or executorch refuse the module.
    """
    import torch

    with _quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        try:
            with torch.no_grad():
                edge = to_edge_transform_and_lower(
                    torch.export.export(module, inputs),
                    partitioner=[XnnpackPartitioner()],
                    constant_methods=constant_methods,
                )
                return bytes(edge.to_executorch().buffer)
        # Lowering raises many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"executorch could not lower the model: {error}") from error


def inspect(path: Path) -> Graph:
    """The operators of a ``.pte`` file, inside and outside its delegate."""
    with _quiet():
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


def _constant_methods(prepared: Prepared, options: ExportOptions) -> dict[str, Any]:
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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep executorch's and torchao's advice to developers off the user's terminal."""
    previous = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
