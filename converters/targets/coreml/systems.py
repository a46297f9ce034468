"""Which systems a package runs on, and where it computes there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from converters.job.options import DeploymentTarget, ExportOptions
from converters.job.precisions import PRECISIONS
from mobilevit_edge.errors import UsageError

_FUNCTIONS_NEED: Final = 18
_USUAL: Final = 16
_IOS_OF: Final[Mapping[DeploymentTarget, int]] = {
    "iOS15": 15,
    "iOS16": 16,
    "iOS17": 17,
    "iOS18": 18,
    "macOS12": 15,
    "macOS13": 16,
    "macOS14": 17,
    "macOS15": 18,
    "visionOS1": 17,
    "visionOS2": 18,
}
"""Each system by the iOS of its year, whose Core ML it has; iOS's own names first."""


@dataclass(frozen=True)
class ComputeAdvice:
    """``MLModelConfiguration.computeUnits`` to begin with, and why."""

    units: Literal["all", "cpuAndGPU"]
    reason: str


def compute_advice(options: ExportOptions) -> ComputeAdvice:
    """Where to run a package: what its precision allows. The phone's own figures decide."""
    if options.precision == "fp32":
        return ComputeAdvice(
            "cpuAndGPU", "The Neural Engine computes in fp16, so fp32 runs on CPU or GPU."
        )
    return ComputeAdvice(
        "all", "In fp16 with tensors of at most four axes: the Neural Engine can take it."
    )


def check_deployment_target(options: ExportOptions) -> None:
    """Refuse a system that lacks what the export asks for.

    Raises:
        UsageError: the message names the feature and the systems that have it.
    """
    asked = options.deployment_target
    oldest = _oldest_ios(options)
    if asked is None or _IOS_OF[asked] >= oldest:
        return
    feature = f"--precision {options.precision}"
    if options.function_sizes and _IOS_OF[asked] < _FUNCTIONS_NEED:
        feature = "a package with several functions (--function-sizes)"
    fitting = [name for name, ios in _IOS_OF.items() if ios == oldest]
    raise UsageError(
        f"{asked} has no {feature}: it needs --deployment-target {' or '.join(fitting)} or later"
    )


def deployment_target(options: ExportOptions) -> DeploymentTarget:
    """The oldest system that the package will run on."""
    if options.deployment_target is not None:
        return options.deployment_target
    needed = max(_USUAL, _oldest_ios(options))
    return next(name for name, ios in _IOS_OF.items() if ios == needed)


def ios_of(options: ExportOptions) -> int:
    """The iOS whose Core ML the oldest system has."""
    return _IOS_OF[deployment_target(options)]


def _oldest_ios(options: ExportOptions) -> int:
    """The oldest iOS with everything that the export asks for."""
    precision = PRECISIONS[options.precision].oldest_ios
    return max(precision, _FUNCTIONS_NEED) if options.function_sizes else precision
