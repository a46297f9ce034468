"""ExecuTorch: lowered for a delegate, run with ExecuTorch's own runtime in a child process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from converters.job.options import ExportOptions
from converters.progress import Progress
from converters.targets.base import (
    Fp16By,
    ManifestExtras,
    Platform,
    Target,
    TargetInfo,
)
from converters.targets.child import load_in_child
from converters.targets.graph import Graph
from converters.targets.loaded import LoadedModel, Session
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.manifest import Verification
from mobilevit_edge.formats.report import Profile
from mobilevit_edge.specs import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from converters.job.job import ExportJob
    from converters.job.wrapping import ExportableModel
    from converters.precision.apply import PrecisionPlan

_WORKER: Final = "converters.targets.executorch.worker"
_XNNPACK: Final = "xnnpack"
_UNRUN_PRECISIONS: Final = ("fp32", "fp16")
"""What delegates can be lowered for whose runtime exists only on devices."""
_REWRITES: Final = (
    "batch_norm_fold",
    "norm_affine_fold",
    "key_after_pooling",
    "explicit_attention",
    "norm_from_poolings",
    "phase_layout",
    "token_layout",
    "layer_norm_as_projections",
    "linear_pair_merge",
    "head_as_convolution",
    "early_pooling",
)


class ExecuTorchTarget(Target):
    """ExecuTorch, by way of XNNPACK unless another delegate is asked for."""

    info = TargetInfo(
        name="executorch",
        model_file="model.pte",
        runtime="ExecuTorch",
        runtime_package="executorch",
        packages=("torch", "executorch"),
        run_packages=("executorch",),
        platforms=("android",),
        module_suffix=".pte",
        mask="logits",
        head_precisions=("fp32", "fp16", "int8", "int8-dynamic"),
    )

    def check_options(self, options: ExportOptions) -> None:
        """A fixed batch; with delegates that run only on devices, what needs no run here."""
        if options.batch is None:
            raise UsageError("executorch bundles have a fixed batch: pass --batch N")
        if self.runs_here(options):
            return
        if options.precision not in _UNRUN_PRECISIONS:
            raise UsageError(
                f"--backend {options.backend} has no {options.precision}; "
                f"it supports {', '.join(_UNRUN_PRECISIONS)}"
            )
        if options.verify is not None:
            raise UsageError(
                f"--backend {options.backend} runs only on devices: nothing can be verified here; "
                f"leave out --verify"
            )

    def rewrites(self, spec: ModelSpec, options: ExportOptions) -> tuple[str, ...]:
        """By measurement: ``docs/measurements/latency.md``.

        Token layouts in fp32: ``docs/measurements/arm.md``.
        """
        # Here: it loads torch, which running a file does not need.
        from converters.rewrites import for_head

        if (options.backend, options.precision, spec.layout) == (_XNNPACK, "fp32", "tokens"):
            return for_head((*_REWRITES, "bounded_softmax", "query_blocks", "tanh_silu"), spec)
        return for_head((*_REWRITES, "explicit_silu"), spec)

    def fp16_by(self, options: ExportOptions) -> Fp16By | None:
        """XNNPACK computes in the program's own type; other delegates convert by themselves."""
        return "module" if options.precision == "fp16" and self.runs_here(options) else None

    def convert(
        self,
        module: ExportableModel,
        job: ExportJob,
        plan: PrecisionPlan,
        path: Path,
        progress: Progress,
    ) -> PrecisionPlan:
        """Write a ``.pte`` file."""
        from converters.targets.executorch.conversion import convert

        convert(module, job, plan, path)
        return plan

    def write_module(self, module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
        """Lowered for XNNPACK."""
        import torch

        from converters.targets.executorch.delegates import xnnpack
        from converters.targets.executorch.lowering import lower

        with torch.no_grad():
            program = torch.export.export(module, inputs)
        path.write_bytes(lower(program, xnnpack()))

    def inspect(self, path: Path) -> Graph:
        """The operators of a ``.pte`` file, inside and outside its delegate."""
        from converters.targets.executorch.pte import read_graph

        return read_graph(path)

    def runs_here(self, options: ExportOptions) -> bool:
        """XNNPACK does; the other delegates' runtimes exist only on devices."""
        return options.backend == _XNNPACK

    def load(self, path: Path) -> LoadedModel:
        """A ``.pte`` file in a child process, since a native runtime may crash."""
        return load_in_child(_WORKER, path, "executorch", "executorch")

    def platforms(self, options: ExportOptions) -> tuple[Platform, ...]:
        """Not with the Core ML delegate: the Android app has no such thing."""
        return () if options.backend == "coreml" else self.info.platforms

    def extras(self, job: ExportJob, native: Verification | None) -> ManifestExtras:
        """The delegate."""
        return ManifestExtras(backend=job.options.backend)

    def import_runtime(self) -> None:
        """ExecuTorch and torch."""
        from converters.targets.executorch.program import native_runtime

        native_runtime()

    def open(self, path: Path) -> Session:
        """A program in this process, to be measured."""
        from converters.targets.executorch.program import Program

        return Program(path)

    def profile(self, path: Path, inferences: int) -> Profile:
        """ExecuTorch's ETDump."""
        from converters.targets.executorch.profiling import profile

        return profile(path, inferences)


TARGET: Final[Target] = ExecuTorchTarget()
