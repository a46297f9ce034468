"""What an export is asked to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from mobilevit_edge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mobilevit_edge.formats.bundle import Target
    from mobilevit_edge.preprocess import ChannelOrder, Interpolation, ResizeRule

Precision: TypeAlias = Literal[
    "fp32", "fp16", "int8", "int8-dynamic", "int8-weight-only", "palette-6bit", "palette-4bit"
]
LoweredFor: TypeAlias = Literal["xnnpack", "coreml", "vulkan"]
DeploymentTarget: TypeAlias = Literal["iOS15", "iOS16", "iOS17", "iOS18"]
QUANTIZED: Final[tuple[Precision, ...]] = (
    "int8",
    "int8-dynamic",
    "int8-weight-only",
    "palette-6bit",
    "palette-4bit",
)
FLEXIBLE_STEP: Final = 64
"""A multiple of it needs no resizing of a map anywhere: stride 32 times the patch."""
_NEEDS_TARGET: Final[Mapping[Precision, DeploymentTarget]] = {
    "int8": "iOS17",
    "int8-weight-only": "iOS16",
    "palette-6bit": "iOS16",
    "palette-4bit": "iOS16",
}
_FUNCTIONS_NEED: Final[DeploymentTarget] = "iOS18"
_USUAL_TARGET: Final[DeploymentTarget] = "iOS16"
UNRUN_PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "fp16")
"""Of delegates whose runtime exists on devices alone."""
KEEP_AUTO: Final = "auto"
DEFAULT_MAX_DROP: Final = 1.0


@dataclass(frozen=True)
class CoreMLOptions:
    """What only Core ML packages have.

    ``deployment_target`` ``None`` means the oldest, from iOS 16 on, that has what the export needs.
    ``flexible_sizes`` are image sizes (height, width) that the one program takes besides its own;
    ``function_sizes`` are sizes that get a function of their own. ``author`` and ``license`` are
    what Xcode shows.
    """

    deployment_target: DeploymentTarget | None = None
    flexible_sizes: tuple[tuple[int, int], ...] = ()
    function_sizes: tuple[tuple[int, int], ...] = ()
    author: str | None = None
    license: str | None = None

    @property
    def other_sizes(self) -> tuple[tuple[int, int], ...]:
        """Image sizes that the package takes besides its own."""
        return (*self.flexible_sizes, *self.function_sizes)


@dataclass(frozen=True)
class ExportOptions:
    """One export. ``None`` means: as the checkpoint has it, or the default of the target.

    ``batch`` is the fixed batch size, or ``None`` for a dynamic one. ``raw_input`` puts the
    preprocessing of pixels into the graph, which then takes uint8 NHWC RGB images; resize and crop
    stay outside. ``without`` names rewrites to leave out. ``channel_order``, ``resize`` and
    ``interpolation`` override what the checkpoint's source is known to use.

    ``calibration`` is a folder of images that set the ranges of ``int8``; ``int8_keep`` names parts
    that stay in fp32, or is ``("auto",)``. ``max_accuracy_drop`` (percentage points of top-1)
    judges an artifact where ``verify`` is a folder of class folders. ``backend`` and ``etrecord``
    (a record for profiling, beside the model) are ExecuTorch's, ``coreml`` Core ML's.
    """

    target: Target
    weights: str
    output: Path | None
    model: str = "auto"
    precision: Precision = "fp32"
    labels: str | None = None
    image_size: tuple[int, int] | None = None
    batch: int | None = 1
    softmax: bool = False
    raw_input: bool = False
    channel_order: ChannelOrder | None = None
    resize: ResizeRule | None = None
    interpolation: Interpolation | None = None
    verify: Path | None = None
    calibration: Path | None = None
    int8_keep: tuple[str, ...] = ()
    max_accuracy_drop: float | None = None
    backend: LoweredFor = "xnnpack"
    etrecord: bool = False
    coreml: CoreMLOptions = CoreMLOptions()
    without: frozenset[str] = frozenset()

    @property
    def takes_pixels(self) -> bool:
        """Whether the artifact takes RGB bytes and scales them, as every Core ML one does."""
        return self.raw_input or self.target == "coreml"


def check_options(options: ExportOptions, precisions: Sequence[str]) -> None:
    """Refuse options that contradict each other, before any work.

    Raises:
        UsageError: the message says what to change.
    """
    if options.precision not in precisions:
        raise UsageError(
            f"{options.target} has no {options.precision}; it supports {', '.join(precisions)}"
        )
    if options.precision == "int8" and options.calibration is None:
        raise UsageError(
            "int8 needs --calibration DIR: images like those that the app will see "
            "(a hundred are plenty; labels are not needed)"
        )
    calibrated = (("--calibration", options.calibration), ("--int8-keep", options.int8_keep))
    for option, value in calibrated:
        if value and options.precision != "int8":
            raise UsageError(f"{option} belongs to --precision int8, not {options.precision}")
    if options.target != "executorch" and (options.etrecord or options.backend != "xnnpack"):
        raise UsageError("--backend and --etrecord belong to --target executorch")
    if not runs_here(options):
        if options.precision not in UNRUN_PRECISIONS:
            raise UsageError(
                f"--backend {options.backend} has no {options.precision}; "
                f"it supports {', '.join(UNRUN_PRECISIONS)}"
            )
        if options.verify is not None:
            raise UsageError(
                f"--backend {options.backend} runs on a device alone: nothing can be verified "
                f"here; leave out --verify"
            )
    _check_coreml(options)
    if options.max_accuracy_drop is not None and options.verify is None:
        raise UsageError("--max-accuracy-drop needs --verify DIR with a folder for every class")


def _check_coreml(options: ExportOptions) -> None:
    if options.target != "coreml":
        if options.coreml != CoreMLOptions():
            raise UsageError(
                "--deployment-target, --flexible-sizes, --function-sizes, --author and --license "
                "belong to --target coreml"
            )
        return
    refused = {
        "--raw-input: a Core ML package takes a pixel buffer already": options.raw_input,
        "--softmax: a Core ML package gives logits and probabilities": options.softmax,
        "--batch: Core ML takes one image a call": options.batch != 1,
        "--function-sizes with --flexible-sizes: choose one of the two": bool(
            options.coreml.flexible_sizes and options.coreml.function_sizes
        ),
        "--flexible-sizes and --function-sizes: int8 is calibrated at one size": bool(
            options.precision == "int8" and options.coreml.other_sizes
        ),
    }
    for reason, applies in refused.items():
        if applies:
            raise UsageError(f"leave out {reason}")
    needed = _needed_target(options)
    asked = options.coreml.deployment_target
    if asked is not None and asked < needed:
        feature = f"--precision {options.precision}"
        if options.coreml.function_sizes and asked < _FUNCTIONS_NEED:
            feature = "a package with several functions (--function-sizes)"
        raise UsageError(
            f"{asked} has no {feature}: it needs --deployment-target {needed} or later"
        )


def _needed_target(options: ExportOptions) -> DeploymentTarget:
    """The oldest system with everything that the export asks for; names of targets sort by age."""
    precision = _NEEDS_TARGET.get(options.precision, "iOS15")
    return max(precision, _FUNCTIONS_NEED) if options.coreml.function_sizes else precision


def deployment_target(options: ExportOptions) -> DeploymentTarget:
    """The oldest system that the package will run on."""
    return options.coreml.deployment_target or max(_USUAL_TARGET, _needed_target(options))


def runs_here(options: ExportOptions) -> bool:
    """Whether the artifact's runtime exists on this machine's kind of system."""
    return options.target != "executorch" or options.backend == "xnnpack"
