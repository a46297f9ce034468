"""Core ML: converted with coremltools, checked by a reference evaluator, run by Apple's systems."""

from __future__ import annotations

import platform
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from converters.job.options import ExportOptions
from converters.progress import Progress
from converters.targets.base import FLAT_RANK, Fp16By, ManifestExtras, Target, TargetInfo
from converters.targets.coreml.systems import (
    check_deployment_target,
    compute_advice,
    deployment_target,
)
from converters.targets.graph import Graph
from converters.targets.loaded import LoadedModel, Session
from mobilevit_edge.boxes import MOST, DetectionRules
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.manifest import CoreMLInfo, SizeInfo, Verification
from mobilevit_edge.formats.report import Profile
from mobilevit_edge.specs import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from converters.job.job import ExportJob
    from converters.job.wrapping import ExportableModel
    from converters.precision.apply import PrecisionPlan

_REWRITES: Final = (
    "batch_norm_fold",
    "norm_affine_fold",
    "key_after_pooling",
    "explicit_attention",
    "shuffled_patches",
    "joint_norm",
    "channel_layout",
    "row_phases",
    "linear_pair_merge",
    "head_as_convolution",
)
"""By the Neural Engine's known habits: ``docs/howto/coreml.md``."""


class CoreMLTarget(Target):
    """Core ML packages."""

    info = TargetInfo(
        name="coreml",
        model_file="model.mlpackage",
        runtime="Core ML",
        runtime_package=None,
        packages=("torch", "coremltools"),
        run_packages=("torch", "coremltools"),
        platforms=("ios",),
        takes_pixels=True,
        image_channels=(1, 3),
        gives_probabilities=True,
        head_precisions=("fp32", "fp16", "int8-weight-only"),
        suppression=DetectionRules(candidates=MOST, one_class=True),
    )

    def check_options(self, options: ExportOptions) -> None:
        """One image a call, and sizes and systems that fit each other."""
        several = bool(options.flexible_sizes and options.function_sizes)
        calibrated = options.precision == "int8" and bool(options.other_sizes)
        for applies, reason in (
            (options.raw_input, "--raw-input: a Core ML package takes a pixel buffer already"),
            (
                options.activation == "softmax",
                "--activation softmax: a Core ML package gives logits and probabilities",
            ),
            (options.batch != 1, "--batch: Core ML takes one image per call"),
            (several, "--function-sizes with --flexible-sizes: choose one of the two"),
            (
                calibrated,
                "--flexible-sizes and --function-sizes: int8 is calibrated at one size",
            ),
        ):
            if applies:
                raise UsageError(f"leave out {reason}")
        check_deployment_target(options)

    def rewrites(self, spec: ModelSpec, options: ExportOptions) -> tuple[str, ...]:
        """The same ones for every export, but for heads."""
        # Here: it loads torch, which running a file does not need.
        from converters.rewrites import for_head

        return for_head(_REWRITES, spec)

    def fp16_by(self, options: ExportOptions) -> Fp16By | None:
        """Core ML computes in fp16 whatever weights are stored in; its converter casts."""
        return None if options.precision in ("fp32", "int8") else "converter"

    def max_rank(self, applied: Collection[str]) -> int:
        """The Neural Engine takes four axes."""
        return FLAT_RANK

    def convert(
        self,
        module: ExportableModel,
        job: ExportJob,
        plan: PrecisionPlan,
        path: Path,
        progress: Progress,
    ) -> PrecisionPlan:
        """Write an ``.mlpackage``."""
        from converters.targets.coreml.conversion import convert

        convert(module, job, plan, path)
        return plan

    def write_module(self, module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
        """Core ML packages are made only of whole models."""
        raise UsageError("coreml takes only whole models")

    def inspect(self, path: Path) -> Graph:
        """The operators of all functions of a package."""
        from converters.targets.coreml.inspection import read_graph

        return read_graph(path)

    def load(self, path: Path) -> LoadedModel:
        """A package in the reference evaluator, on any machine."""
        from converters.targets.coreml.runtime import load

        return load(path)

    def load_native(self, path: Path) -> LoadedModel | None:
        """A package in Core ML itself, on macOS."""
        from converters.targets.coreml.runtime import load_core_ml

        return load_core_ml(path)

    def extras(self, job: ExportJob, native: Verification | None) -> ManifestExtras:
        """Systems, compute units, sizes, and what Core ML itself answered."""
        from converters.targets.coreml.runtime import function_name

        options = job.options
        advice = compute_advice(options)
        functions = bool(options.function_sizes)
        return ManifestExtras(
            coreml=CoreMLInfo(
                deployment_target=deployment_target(options),
                compute_units=advice.units,
                compute_reason=advice.reason,
                sizes=tuple(
                    SizeInfo(size, function_name(size) if functions else None)
                    for size in (job.source.image_size, *options.other_sizes)
                ),
                core_ml_verification=native,
            )
        )

    def why_not_measured(self) -> str | None:
        """Core ML is part of Apple's systems."""
        return None if platform.system() == "Darwin" else "Core ML runs only on macOS and iOS"

    def import_runtime(self) -> None:
        """Coremltools."""
        from converters.targets.coreml.library import import_coremltools

        import_coremltools()

    def open(self, path: Path) -> Session:
        """A package in Core ML itself, to be measured."""
        from converters.targets.coreml.runtime import CoreMLSession

        return CoreMLSession(path)

    def profile(self, path: Path, inferences: int) -> Profile:
        """Core ML's figures are read in Xcode."""
        return Profile("none", 0, "no profiler of this runtime is read here", ())


TARGET: Final[Target] = CoreMLTarget()
