"""LiteRT (TensorFlow Lite): a flatbuffer for XNNPACK, run with LiteRT's interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from converters.job.options import ExportOptions
from converters.progress import Progress
from converters.targets.base import Fp16By, Target, TargetInfo
from converters.targets.child import load_in_child
from converters.targets.graph import Graph
from converters.targets.loaded import LoadedModel, Session
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.report import Profile
from mobilevit_edge.head_specs import HeadName
from mobilevit_edge.specs import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from converters.job.job import ExportJob
    from converters.job.wrapping import ExportableModel
    from converters.precision.apply import PrecisionPlan

_WORKER: Final = "converters.targets.litert.worker"
_FOR_TOKENS: Final = (
    "batch_norm_fold",
    "norm_affine_fold",
    "explicit_attention",
    "token_layout",
    "layer_norm_as_projections",
    "linear_pair_merge",
    "head_as_convolution",
)
_FOR_MAPS: Final = (
    "batch_norm_fold",
    "norm_affine_fold",
    "key_after_pooling",
    "pixel_layout",
    "linear_pair_merge",
    "head_as_convolution",
    "pixel_pooling",
)
_OF_HEADS: Final[Mapping[HeadName, tuple[str, ...]]] = {
    "deeplabv3": ("image_pooling_as_bias",),
    "pspnet": ("pixel_pyramid",),
    "ssdlite": ("short_concatenation",),
}


class LiteRTTarget(Target):
    """LiteRT, whose XNNPACK delegate takes the whole graph."""

    info = TargetInfo(
        name="litert",
        model_file="model.tflite",
        runtime="LiteRT",
        runtime_package="ai-edge-litert",
        packages=("torch", "litert_torch", "ai_edge_quantizer", "ai_edge_litert"),
        run_packages=("ai_edge_litert",),
        platforms=("android",),
        module_suffix=".tflite",
        float_layout="NHWC",
        mask="logits",
    )

    def check_options(self, options: ExportOptions) -> None:
        """A fixed batch: XNNPACK plans its memory for one shape."""
        if options.batch is None:
            raise UsageError("litert bundles have a fixed batch: pass --batch N")
        if options.layout == "NCHW" and options.raw_input:
            raise UsageError("--raw-input takes NHWC pixels: leave out --layout")

    def rewrites(self, spec: ModelSpec, options: ExportOptions) -> tuple[str, ...]:
        """By measurement: ``docs/measurements/latency.md``.

        Token layouts in fp32: ``docs/measurements/arm.md``.
        """
        # Here: it loads torch, which running a file does not need.
        from converters.rewrites import for_head

        names = for_head(_FOR_TOKENS if spec.layout == "tokens" else _FOR_MAPS, spec, _OF_HEADS)
        if options.precision == "int8":
            # As a sigmoid and a product, each of which gets a scale of its own.
            return (*names, "explicit_silu")
        if (options.precision, spec.layout) == ("fp32", "tokens"):
            return (*names, "tanh_silu")
        return names

    def fp16_by(self, options: ExportOptions) -> Fp16By | None:
        """Nobody: the file holds weights in fp16, and what runs it chooses how to compute."""
        return None

    def convert(
        self,
        module: ExportableModel,
        job: ExportJob,
        plan: PrecisionPlan,
        path: Path,
        progress: Progress,
    ) -> PrecisionPlan:
        """Write a ``.tflite`` file."""
        from converters.targets.litert.conversion import convert

        convert(module, job, plan, path)
        return plan

    def write_module(self, module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
        """As it is, channels first where they are."""
        from converters.targets.litert.conversion import convert_module

        path.write_bytes(convert_module(module, inputs))

    def inspect(self, path: Path) -> Graph:
        """The operators of a ``.tflite`` file, inside and outside its delegate."""
        from converters.targets.litert.inspection import read_graph

        return read_graph(path)

    def load(self, path: Path) -> LoadedModel:
        """A ``.tflite`` file in a child process, since a native runtime may crash."""
        return load_in_child(_WORKER, path, "LiteRT", "ai-edge-litert")

    def import_runtime(self) -> None:
        """LiteRT's interpreter."""
        import converters.targets.litert.interpreter  # noqa: F401

    def open(self, path: Path) -> Session:
        """An interpreter in this process, to be measured."""
        from converters.targets.litert.interpreter import LiteRTSession

        return LiteRTSession(path)

    def profile(self, path: Path, inferences: int) -> Profile:
        """LiteRT's own, by way of its C API."""
        from converters.targets.litert.profiling import profile

        return profile(path, inferences)


TARGET: Final[Target] = LiteRTTarget()
