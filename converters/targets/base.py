"""What a target is, and which there are."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from converters.job.options import ExportOptions
from converters.job.precisions import Precision
from converters.progress import Progress
from converters.targets.graph import Graph
from converters.targets.loaded import LoadedModel, Session
from mobilevit_edge.boxes import DetectionRules
from mobilevit_edge.errors import MissingPackageError
from mobilevit_edge.formats.manifest import (
    TARGET_NAMES,
    Activation,
    AnswerForm,
    ContextInfo,
    CoreMLInfo,
    Layout,
    MaskForm,
    TargetName,
    Task,
    Verification,
)
from mobilevit_edge.formats.report import Profile
from mobilevit_edge.specs import INPUT_CHANNELS, ModelSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from converters.job.job import ExportJob
    from converters.job.wrapping import ExportableModel
    from converters.precision.apply import PrecisionPlan

INPUT_NAME: Final = "image"
LOGITS: Final = "logits"
PROBABILITIES: Final = "probabilities"
EMBEDDING: Final = "embedding"
LABELS: Final = "labels"
BOXES: Final = "boxes"
"""Names of outputs in artifacts."""
MAX_RANK: Final = 5
"""Axes that a tensor may have on a phone's processor."""
FLAT_RANK: Final = 4
FLAT_LAYOUTS: Final = frozenset({"phase_layout"})
"""Rewrites that leave no tensor above rank 4."""

HEAD_PRECISIONS: Final[tuple[Precision, ...]] = (
    "fp32",
    "fp16",
    "int8",
    "int8-dynamic",
    "int8-weight-only",
)

Platform: TypeAlias = Literal["android", "ios", "browser"]
"""What our sample app, or page, runs on."""
Fp16By: TypeAlias = Literal["module", "converter"]


@dataclass(frozen=True)
class TargetInfo:
    """What is known of a target without any of its packages.

    Attributes:
        name: as users write it.
        model_file: the model's file, or folder, in a bundle.
        runtime: what runs it, as reports name it.
        runtime_package: the package whose version is that of the runtime; ``None`` where the
            system brings it.
        packages: those that make its artifacts, whose versions a manifest lists.
        run_packages: those that run its artifacts.
        platforms: systems whose sample app, or page, runs its bundles.
        module_suffix: suffix of a file of any module; ``None`` where only whole models are made.
        takes_pixels: whether its format takes images and scales them itself.
        image_channels: how many channels its images may have.
        gives_probabilities: whether its artifacts give probabilities beside the logits.
        needs_temporary_folder: whether what runs its artifacts writes temporary files.
        float_layout: the axes of images in numbers, as apps for this runtime have them. Channels
            last are always red first: nobody there knows another order.
        mask: what its artifacts answer of a head for masks, unless asked otherwise.
        head_precisions: those in which heads for masks and boxes are verified.
        suppression: by which rules its format can leave out boxes that overlap better ones;
            ``None`` where it cannot.
    """

    name: TargetName
    model_file: str
    runtime: str
    runtime_package: str | None
    packages: tuple[str, ...]
    run_packages: tuple[str, ...]
    platforms: tuple[Platform, ...]
    module_suffix: str | None = None
    takes_pixels: bool = False
    image_channels: tuple[int, ...] = INPUT_CHANNELS
    gives_probabilities: bool = False
    needs_temporary_folder: bool = True
    float_layout: Layout = "NCHW"
    mask: MaskForm = "labels"
    head_precisions: tuple[Precision, ...] = HEAD_PRECISIONS
    suppression: DetectionRules | None = None


@dataclass(frozen=True)
class ManifestExtras:
    """What the manifest says only of some targets' bundles."""

    backend: str | None = None
    coreml: CoreMLInfo | None = None


class Target(Protocol):
    """One target: what it is, and what the steps of an export, and the bench, ask of it.

    Targets derive from it: what has a body here is what most of them do.
    """

    @property
    def info(self) -> TargetInfo:
        """What is known of it without its packages."""

    def check_options(self, options: ExportOptions) -> None:
        """Refuse what this target cannot do, before any work. Raises UsageError."""
        return

    def rewrites(self, spec: ModelSpec, options: ExportOptions) -> tuple[str, ...]:
        """Names of the rewrites that an export of this architecture applies, in order."""

    def fp16_by(self, options: ExportOptions) -> Fp16By | None:
        """Who makes fp16: the module before its conversion, the converter, or nobody here."""
        return "module" if options.precision == "fp16" else None

    def max_rank(self, applied: Collection[str]) -> int:
        """Axes that a tensor may have, after these rewrites."""
        return FLAT_RANK if FLAT_LAYOUTS & set(applied) else MAX_RANK

    def operators(self, options: ExportOptions) -> frozenset[str] | None:
        """The only operators that a graph may hold; ``None`` where any may stand."""
        return None

    def convert(
        self,
        module: ExportableModel,
        job: ExportJob,
        plan: PrecisionPlan,
        path: Path,
        progress: Progress,
    ) -> PrecisionPlan:
        """Write the artifact to ``path``; the plan with all parts that were left in float.

        Raises ConversionError.
        """

    def compile_contexts(
        self, job: ExportJob, path: Path, progress: Progress
    ) -> tuple[ContextInfo, ...]:
        """Compile the artifact ahead for the chips that were asked for, into files beside it.

        Raises ConversionError, or VerificationError where a chip does not take it.
        """
        return ()

    def write_module(self, module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
        """Write a file of any module, as it is. Raises ConversionError.

        Only where ``info.module_suffix`` is set.
        """

    def inspect(self, path: Path) -> Graph:
        """The operators of an artifact, for the graph contract. Raises ConversionError."""

    def runs_here(self, options: ExportOptions) -> bool:
        """Whether this machine can run, or evaluate, the artifact."""
        return True

    def load(self, path: Path) -> LoadedModel:
        """Load an artifact to answer. Raises ConversionError."""

    def platforms(self, options: ExportOptions) -> tuple[Platform, ...]:
        """Systems whose sample app runs the artifact: those of ``info``, or fewer."""
        return self.info.platforms

    def load_native(self, path: Path) -> LoadedModel | None:
        """Load it in the runtime that ``load`` stands in for, where that exists here."""
        return None

    def extras(self, job: ExportJob, native: Verification | None) -> ManifestExtras:
        """What the manifest says besides; ``native`` is what ``load_native`` has shown."""
        return ManifestExtras()

    def why_not_measured(self) -> str | None:
        """Why this machine cannot measure files; ``None`` where it can."""
        return None

    def import_runtime(self) -> None:
        """Load the runtime's library, so that opening a file is measured without that."""

    def open(self, path: Path) -> Session:
        """Open a file in this process, to be measured. Raises ConversionError."""

    def profile(self, path: Path, inferences: int) -> Profile:
        """Time by operator, from the runtime's own profiler."""


_MODULES: Final[Mapping[TargetName, str]] = {
    name: f"converters.targets.{name}.target" for name in TARGET_NAMES
}


def get_target(name: TargetName) -> Target:
    """A target, whether or not its packages are installed."""
    target: Target = importlib.import_module(_MODULES[name]).TARGET
    return target


def target_to_export(name: TargetName) -> Target:
    """A target that can convert here.

    Raises:
        MissingPackageError: a package is not installed; the message names the extra.
    """
    return _require(get_target(name), get_target(name).info.packages)


def target_to_run(name: TargetName) -> Target:
    """A target whose artifacts can be run here.

    Raises:
        MissingPackageError: a package is not installed; the message names the extra.
    """
    return _require(get_target(name), get_target(name).info.run_packages)


def _require(target: Target, packages: Sequence[str]) -> Target:
    for package in packages:
        if find_spec(package) is None:
            raise MissingPackageError(package)
    return target


def package_versions(info: TargetInfo) -> dict[str, str]:
    """Versions of the packages that make a target's artifacts."""
    return {name: importlib.metadata.version(name) for name in info.packages}


def output_name(
    task: Task, activation: Activation = "none", answer: AnswerForm | None = None
) -> str:
    """Name of the output in the artifact."""
    if task == "detection":
        return BOXES
    if answer == "labels":
        return LABELS
    if task == "embedding":
        return EMBEDDING
    return LOGITS if activation == "none" else PROBABILITIES
