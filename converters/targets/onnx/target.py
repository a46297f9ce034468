"""ONNX: exported with torch's exporter, run with ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from converters.job.options import ExportOptions
from converters.progress import Progress
from converters.targets.base import HEAD_PRECISIONS, Fp16By, Target, TargetInfo
from converters.targets.graph import Graph
from converters.targets.loaded import LoadedModel, Session
from converters.targets.onnx.npu.unit import OF_HEADS, OPERATORS, REWRITES, check_npu_options
from mobilevit_edge.boxes import DetectionRules
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.manifest import ContextInfo
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
    "row_phases",
    # Group norms sum up to half a million numbers: channel by channel, since WebAssembly adds them
    # one after the other and would lose digits.
    "norm_from_poolings",
    "instance_norm",
    "blocked_layout",
    "linear_pair_merge",
)
"""By measurement: ``docs/measurements/latency.md``."""


class OnnxTarget(Target):
    """ONNX for ONNX Runtime."""

    info = TargetInfo(
        name="onnx",
        model_file="model.onnx",
        runtime="ONNX Runtime",
        runtime_package="onnxruntime",
        packages=("torch", "onnx", "onnxscript", "onnxruntime"),
        run_packages=("onnxruntime",),
        platforms=("android", "browser"),
        module_suffix=".onnx",
        needs_temporary_folder=False,
        # Not mixed, which weighs the errors of numbers, and neither labels nor boxes are any; not
        # w8a16, in which the emulated chip answers otherwise (docs/howto/npu.md).
        head_precisions=(*HEAD_PRECISIONS, "w8a8"),
        suppression=DetectionRules(),
    )

    def check_options(self, options: ExportOptions) -> None:
        """What the NPU cannot have, and what only it has."""
        if options.unit == "npu":
            check_npu_options(options)
        elif options.soc:
            raise UsageError("--soc names chips to compile for, which --unit npu alone can")

    def fp16_by(self, options: ExportOptions) -> Fp16By | None:
        """The NPU's graphs are converted whole: it computes in fp16 whatever the file says."""
        return None if options.unit == "npu" else super().fp16_by(options)

    def rewrites(self, spec: ModelSpec, options: ExportOptions) -> tuple[str, ...]:
        """A list for each unit; on the CPU one more rewrite for images of any size, or of one."""
        # Here: it loads torch, which running a file does not need.
        from converters.rewrites import for_head

        if options.unit == "npu":
            return for_head(REWRITES, spec, OF_HEADS)
        names = for_head(_REWRITES, spec)
        if options.dynamic_size:
            return (*names, "any_size")
        # In 8 bits each block would get scales of its own.
        return names if options.precision == "int8" else (*names, "query_blocks")

    def operators(self, options: ExportOptions) -> frozenset[str] | None:
        """Those of the NPU; the CPU has them all."""
        return OPERATORS if options.unit == "npu" else None

    def convert(
        self,
        module: ExportableModel,
        job: ExportJob,
        plan: PrecisionPlan,
        path: Path,
        progress: Progress,
    ) -> PrecisionPlan:
        """Write an ONNX file."""
        from converters.targets.onnx.conversion import convert

        return convert(module, job, plan, path, progress)

    def compile_contexts(
        self, job: ExportJob, path: Path, progress: Progress
    ) -> tuple[ContextInfo, ...]:
        """What Qualcomm's compiler makes of it for each chip."""
        from converters.targets.onnx.npu.precompiled import compile_contexts

        return compile_contexts(job, path, progress)

    def write_module(self, module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
        """The exported graph."""
        from converters.targets.onnx.conversion import export_graph

        path.write_bytes(export_graph(module, inputs).SerializeToString())

    def inspect(self, path: Path) -> Graph:
        """The operators of an ONNX file, with ranks by shape inference."""
        from converters.targets.onnx.inspection import read_graph

        return read_graph(path)

    def load(self, path: Path) -> LoadedModel:
        """An ONNX file in an ONNX Runtime session."""
        from converters.targets.onnx.runtime import load

        return load(path)

    def import_runtime(self) -> None:
        """ONNX Runtime."""
        import converters.targets.onnx.runtime  # noqa: F401

    def open(self, path: Path) -> Session:
        """An ONNX Runtime session, to be measured."""
        from converters.targets.onnx.runtime import OnnxSession

        return OnnxSession(path)

    def profile(self, path: Path, inferences: int) -> Profile:
        """ONNX Runtime's trace."""
        from converters.targets.onnx.profiling import profile

        return profile(path, inferences)


TARGET: Final[Target] = OnnxTarget()
