"""What the pipeline asks of a target, and where each target lives."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import numpy.typing as npt

from mobilevit_edge.bundle import Bundle, Target
from mobilevit_edge.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from converters.audit import Graph
    from converters.options import ExportOptions
    from converters.prepare import Prepared
    from converters.quantisation.plan import Int8Plan

Array: TypeAlias = npt.NDArray[Any]
Run: TypeAlias = Callable[[Array], Array]
"""One inference: the input as the manifest describes it -> outputs ``[B, num_outputs]``."""

INPUT_NAME: Final = "image"


@dataclass(frozen=True)
class LoadedModel:
    """An artifact loaded from disk; ``runtime`` names what runs it, with its version."""

    run: Run
    runtime: str


class Backend(Protocol):
    """One target: a module with these functions."""

    MODEL_FILE: str
    PRECISIONS: tuple[str, ...]
    REWRITES: tuple[str, ...]

    def convert(
        self,
        module: nn.Module,
        prepared: Prepared,
        options: ExportOptions,
        path: Path,
        plan: Int8Plan | None = None,
    ) -> None:
        """Write the artifact to ``path``; ``plan`` comes with int8. Raises ConversionError."""

    def inspect(self, path: Path) -> Graph:
        """The operators of an artifact, for the graph contract."""

    def load(self, path: Path) -> LoadedModel:
        """Load an artifact for inference. Raises ConversionError, MissingPackageError."""

    def versions(self) -> Mapping[str, str]:
        """Versions of the packages that this target uses."""


_MODULES: Final[Mapping[Target, str]] = {
    "onnx": "converters.onnx",
    "executorch": "converters.executorch",
}


def get_backend(target: Target) -> Backend:
    """The converter of a target; only this imports its packages.

    Raises:
        UsageError: the target has no converter in this version.
        MissingPackageError: a package it needs is not installed.
    """
    if target not in _MODULES:
        raise UsageError(
            f"there is no converter for {target} in this version; "
            f"choose one of {', '.join(_MODULES)}"
        )
    backend: Any = importlib.import_module(_MODULES[target])
    return backend  # type: ignore[no-any-return]


def load_bundle_model(bundle: Bundle) -> LoadedModel:
    """The model of a bundle, ready to run.

    Raises:
        UsageError: it was lowered for a delegate that runs on devices alone.
    """
    if bundle.manifest.verification is None:
        raise UsageError(
            f"{bundle.path} was lowered for {bundle.manifest.backend}, which runs on a device "
            f"alone; export it with --backend xnnpack to run it here"
        )
    return get_backend(bundle.manifest.target).load(bundle.model_path)


def output_name(*, softmax: bool) -> str:
    """Name of the output in the artifact."""
    return "probabilities" if softmax else "logits"
