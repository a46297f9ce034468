"""What the pipeline asks of a target, and where each target lives."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import numpy.typing as npt

from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.bundle import Bundle, Target

if TYPE_CHECKING:
    from converters.checks.graph_contract import Graph
    from converters.export.options import ExportOptions
    from converters.export.source import SourceModel
    from converters.export.wrapping import ExportableModel
    from converters.precision.apply import PrecisionPlan
    from mobilevit_edge.specs import ModelSpec

Array: TypeAlias = npt.NDArray[Any]
Run: TypeAlias = Callable[[Array], Array]
"""One inference: the input as the manifest describes it -> outputs ``[B, num_outputs]``."""

INPUT_NAME: Final = "image"


@dataclass(frozen=True)
class LoadedModel:
    """An artifact loaded from disk; ``runtime`` names what runs it, with its version.

    ``is_reference``: it is evaluated here in the runtime's place, which exists on devices alone.
    """

    run: Run
    runtime: str
    is_reference: bool = False


class Backend(Protocol):
    """One target: a module with these functions."""

    MODEL_FILE: str
    PRECISIONS: tuple[str, ...]

    def rewrites(self, spec: ModelSpec, options: ExportOptions) -> tuple[str, ...]:
        """Names of the rewrites that an export of this architecture applies, in order."""

    def convert(
        self,
        module: ExportableModel,
        prepared: SourceModel,
        options: ExportOptions,
        path: Path,
        reduced: PrecisionPlan,
    ) -> None:
        """Write the artifact to ``path``. Raises ConversionError."""

    def inspect(self, path: Path) -> Graph:
        """The operators of an artifact, for the graph contract."""

    def load(self, path: Path) -> LoadedModel:
        """Load an artifact for inference. Raises ConversionError, MissingPackageError."""

    def versions(self) -> Mapping[str, str]:
        """Versions of the packages that this target uses."""


_MODULES: Final[Mapping[Target, str]] = {
    "onnx": "converters.targets.onnx.conversion",
    "executorch": "converters.targets.executorch.conversion",
    "coreml": "converters.targets.coreml.conversion",
}


def get_backend(target: Target) -> Backend:
    """The converter of a target; only this imports its packages.

    Raises:
        MissingPackageError: a package it needs is not installed.
    """
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
