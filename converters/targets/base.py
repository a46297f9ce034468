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
from converters.job.precisions import PRECISIONS, Precision
from converters.progress import Progress
from converters.targets.graph import Graph
from converters.targets.loaded import LoadedModel, Session
from mobilevit_edge.boxes import DetectionRules
from mobilevit_edge.errors import (
    BundleError,
    ConversionError,
    MissingPackageError,
    UsageError,
)
from mobilevit_edge.formats.bundle import Bundle
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
from mobilevit_edge.temporary import require_temporary_folder

if TYPE_CHECKING:
    from torch import Tensor, nn

    from converters.job.job import ExportJob
    from converters.job.source import SourceModel
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


def make_job(options: ExportOptions, source: SourceModel) -> ExportJob:
    """The export of a loaded model.

    Raises:
        UsageError: the target's format has no images of the model's channels.
    """
    from converters.job.job import ExportJob

    info = get_target(options.target).info
    channels = source.spec.in_channels
    if channels not in info.image_channels:
        possible = " or ".join(map(str, info.image_channels))
        raise UsageError(
            f"{options.weights} takes images of {channels} channels, and those of {info.name} have "
            f"{possible}: choose another target"
        )
    answer = _answer_form(options, source, info)
    return ExportJob(
        options,
        source,
        takes_pixels=options.raw_input or info.takes_pixels,
        activation="none" if info.gives_probabilities else options.activation,
        float_layout=options.layout or info.float_layout,
        answer=answer,
        rules=(info.suppression if answer == "nms" else None) or DetectionRules(),
    )


def _answer_form(
    options: ExportOptions, source: SourceModel, info: TargetInfo
) -> AnswerForm | None:
    """What the artifact makes of the head. Raises UsageError for what the head does not have."""
    for name, task in (("mask", "segmentation"), ("boxes", "detection")):
        if getattr(options, name) is not None and source.task != task:
            raise UsageError(f"{options.weights} is made for {source.task}: leave out --{name}")
    if source.spec.head is None:
        return None
    refused = {
        "--image-size dynamic": options.dynamic_size,
        "--flexible-sizes and --function-sizes": bool(options.other_sizes),
    }
    for what, asked in refused.items():
        if asked:
            raise UsageError(f"{source.spec.name} cannot be exported with {what}")
    if options.precision not in info.head_precisions:
        possible = [p for p in info.head_precisions if options.unit in PRECISIONS[p].units]
        raise UsageError(
            f"{source.spec.name} cannot be exported with --precision {options.precision} for "
            f"{info.name}; its head takes {', '.join(possible)}"
        )
    on_npu = options.unit == "npu"
    if options.boxes == "nms" and (on_npu or info.suppression is None):
        raise UsageError(
            f"{'the NPU' if on_npu else info.name} has no operator that suppresses boxes as the "
            f"checkpoint's code does: export with --boxes decoded, and apply head.boxes of the "
            f"manifest in the app, as the sample apps do"
        )
    return (options.boxes or "decoded") if source.task == "detection" else options.mask or info.mask


def package_versions(info: TargetInfo) -> dict[str, str]:
    """Versions of the packages that make a target's artifacts."""
    return {name: importlib.metadata.version(name) for name in info.packages}


def load_bundle_model(bundle: Bundle) -> LoadedModel:
    """The model of a bundle, ready to run.

    Raises:
        UsageError: it was lowered for a delegate that runs only on devices.
        MissingPackageError: its runtime is not installed.
        BundleError: the runtime cannot load it, or it takes something else than its manifest says.
        OutputError: the runtime needs a folder for temporary files, and there is none.
    """
    manifest = bundle.manifest
    if manifest.verification is None:
        raise UsageError(
            f"{bundle.path} was lowered for {manifest.backend}, which runs only on devices; "
            f"export it with --backend xnnpack to run it here"
        )
    expected = get_target(manifest.target).info.model_file
    if bundle.model_path.name != expected:
        raise BundleError(f"{bundle.path}: a model for {manifest.target} is called {expected}")
    target = target_to_run(manifest.target)
    if target.info.needs_temporary_folder:
        require_temporary_folder()
    try:
        loaded = target.load(bundle.model_path)
    except ConversionError as error:
        raise BundleError(f"{bundle.path}: its model cannot be loaded: {error}") from error
    if not loaded.fits(manifest.input.shape):
        raise BundleError(
            f"{bundle.path}: its manifest does not fit its model, which takes {loaded.takes}; "
            f"export it again"
        )
    return loaded


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
