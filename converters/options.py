"""What an export is asked to make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from mobilevit_edge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mobilevit_edge.bundle import Target
    from mobilevit_edge.preprocess import ChannelOrder, Interpolation, ResizeRule

Precision: TypeAlias = Literal["fp32", "fp16", "int8", "int8-dynamic", "int8-weight-only"]
LoweredFor: TypeAlias = Literal["xnnpack", "coreml", "vulkan"]
QUANTISED: Final[tuple[Precision, ...]] = ("int8", "int8-dynamic", "int8-weight-only")
UNRUN_PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "fp16")
"""Of delegates whose runtime exists on devices alone."""
KEEP_AUTO: Final = "auto"
DEFAULT_MAX_DROP: Final = 1.0


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
    (a record for profiling, beside the model) are ExecuTorch's.
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
    without: frozenset[str] = frozenset()


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
    if options.max_accuracy_drop is not None and options.verify is None:
        raise UsageError("--max-accuracy-drop needs --verify DIR with a folder for every class")


def runs_here(options: ExportOptions) -> bool:
    """Whether the artifact's runtime exists on this machine's kind of system."""
    return options.target != "executorch" or options.backend == "xnnpack"
