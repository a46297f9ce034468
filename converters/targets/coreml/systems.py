"""Which systems a package runs on, and where it computes there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from converters.job.options import DeploymentTarget, ExportOptions
from converters.job.precisions import PRECISIONS
from mobilevit_edge.errors import UsageError

_FUNCTIONS_NEED: Final = 18
_USUAL: Final = 16
_IOS: Final = "iOS"


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
        UsageError: the message names the feature and the system that has it.
    """
    asked = options.deployment_target
    if asked is None or _ios(asked) >= _oldest_ios(options):
        return
    feature = f"--precision {options.precision}"
    if options.function_sizes and _ios(asked) < _FUNCTIONS_NEED:
        feature = "a package with several functions (--function-sizes)"
    raise UsageError(
        f"{asked} has no {feature}: it needs --deployment-target {_IOS}{_oldest_ios(options)} "
        f"or later"
    )


def deployment_target(options: ExportOptions) -> str:
    """The oldest system that the package will run on."""
    return options.deployment_target or f"{_IOS}{max(_USUAL, _oldest_ios(options))}"


def _ios(target: DeploymentTarget) -> int:
    return int(target.removeprefix(_IOS))


def _oldest_ios(options: ExportOptions) -> int:
    """The oldest iOS with everything that the export asks for."""
    precision = PRECISIONS[options.precision].oldest_ios
    return max(precision, _FUNCTIONS_NEED) if options.function_sizes else precision
