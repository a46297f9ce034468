"""From a torch module to a Core ML ML Program: capture, convert, compress, describe."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import coremltools as ct
import coremltools.optimize.coreml as compression
import numpy as np
import torch
from coremltools.converters.mil.mil import Operation
from coremltools.converters.mil.mil.scope import ScopeSource
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import TensorArgument

import mobilevit_edge
from converters.export.options import FLEXIBLE_STEP, ExportOptions, Precision, deployment_target
from converters.export.wrapping import ExportableModel
from converters.precision.parts import keeps
from converters.quiet import quiet
from converters.rewrites.base import parts_of
from converters.targets.base import INPUT_NAME, output_name
from mobilevit_edge.errors import ConversionError, UsageError
from mobilevit_edge.models.layers import InvertedResidual

if TYPE_CHECKING:
    from converters.export.source import SourceModel
    from converters.precision.apply import PrecisionPlan

LOGITS: Final = output_name(softmax=False)
LABEL: Final = "classLabel"
PROBABILITIES: Final = f"{LABEL}_probs"
"""coremltools' own names for a classifier's outputs, which Apple's samples expect."""
_SOFTMAX: Final = "probabilities"
"""Of the logits, inside the program: what the classifier's outputs are made of."""
_PALETTE_BITS: Final = {"palette-6bit": 6, "palette-4bit": 4}
_CHANNELS_PER_PALETTE: Final = 8
_GROUPED_PALETTES_SINCE: Final = "iOS18"
_PREVIEW: Final = "com.apple.coreml.model.preview.type"
_MODULE_PREFIX: Final = "model."
"""Of a part's path in the captured program."""


class _Program(ExportableModel):
    """What the package computes. ``[1, 3, H, W]`` in 0..1 -> logits, and a classifier's softmax."""

    def __init__(self, deployed: ExportableModel, *, classifies: bool) -> None:
        super().__init__(
            deployed.model,
            raw_input=deployed.raw_input,
            scaling=deployed.scaling,
            softmax=deployed.softmax,
        )
        self.classifies = classifies

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        logits = super().forward(image)
        return (logits, torch.softmax(logits, dim=-1)) if self.classifies else (logits,)


@dataclass(frozen=True)
class Sizes:
    """Image sizes (height, width) of one program; more than one makes it flexible."""

    default: tuple[int, int]
    others: tuple[tuple[int, int], ...] = ()


def make_program(
    module: ExportableModel,
    sizes: Sizes,
    prepared: SourceModel,
    options: ExportOptions,
    reduced: PrecisionPlan,
) -> Any:
    """An ML Program, compressed and described: coremltools' ``MLModel``, not loaded.

    Raises:
        UsageError: a flexible size that the network cannot take without resizing its maps.
        ConversionError: torch or coremltools refuse the model.
    """
    with quiet():
        try:
            computes = _Program(module, classifies=prepared.model.num_classes > 0)
            program = _capture(computes.eval(), sizes, options, reduced)
            name_by_module(program)
            # Their channels' ranges differ up to a thousandfold, and they hold few of the weights.
            in_half = ("stem", *(name for name, _ in parts_of(module.model, InvertedResidual)))
            model = _convert(program, sizes, prepared, options, reduced.kept, in_half)
        except UsageError:
            raise
        # Both raise many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"coremltools could not convert the model: {error}") from error
    _describe(model, prepared, options)
    return model


def _capture(
    module: nn.Module, sizes: Sizes, options: ExportOptions, reduced: PrecisionPlan
) -> ExportedProgram:
    if options.precision == "int8":
        from converters.precision.pt2e import quantize_program

        program = quantize_program(module, [(b,) for b in reduced.batches], reduced.kept)
    else:
        example = torch.zeros(1, 3, *sizes.default)
        with torch.no_grad():
            program = torch.export.export(
                module, (example,), dynamic_shapes=(_dynamic_sides(sizes),)
            )
    return program.run_decompositions({})  # type: ignore[no-any-return]


def _dynamic_sides(sizes: Sizes) -> dict[int, Any]:
    """The image's sides that differ between sizes, in steps that need no resizing of any map."""
    every = (sizes.default, *sizes.others)
    dynamic: dict[int, Any] = {}
    for axis, name in ((2, "rows"), (3, "columns")):
        sides = sorted({size[axis - 2] for size in every})
        if len(sides) > 1:
            # A map of a single patch would be captured as a constant size.
            if any(side % FLEXIBLE_STEP or side == FLEXIBLE_STEP for side in sides):
                raise UsageError(
                    f"--flexible-sizes takes multiples of {FLEXIBLE_STEP} from "
                    f"{2 * FLEXIBLE_STEP} up, the image size among them; for other sizes use "
                    f"--function-sizes"
                )
            low, high = sides[0] // FLEXIBLE_STEP, sides[-1] // FLEXIBLE_STEP
            dynamic[axis] = FLEXIBLE_STEP * Dim(name, min=low, max=high)
    return dynamic


def name_by_module(program: ExportedProgram) -> None:
    """Name every operator after the module it came from, where coremltools looks for names.

    ``layer3_1_layers_0_attention__conv2d_22`` is what Xcode's performance report will show. The
    stack trace, which coremltools carries along as the operator's scope, becomes the module's path.
    """
    nodes = {node.name: node for node in program.graph.nodes if node.op == "call_function"}
    results = zip(program.graph_signature.output_specs, (LOGITS, _SOFTMAX), strict=False)
    outputs = {spec.arg.name: (spec, name) for spec, name in results}
    for name, node in nodes.items():
        path = module_of(node)
        node.meta["stack_trace"] = path
        if name in outputs:
            spec, wanted = outputs[name]
            node._rename(wanted)
            spec.arg = TensorArgument(name=node.name)
        elif path:
            node._rename(f"{path.replace('.', '_')}__{name}")


def module_of(node: torch.fx.Node) -> str:
    """Path of the module that made a node of a captured program, as the user knows it."""
    stack = node.meta.get("nn_module_stack") or {}
    path = next((str(path) for path, _ in reversed(stack.values())), "")
    return path.removeprefix(_MODULE_PREFIX) if path.startswith(_MODULE_PREFIX) else ""


def _convert(
    program: ExportedProgram,
    sizes: Sizes,
    prepared: SourceModel,
    options: ExportOptions,
    kept: Sequence[str],
    in_half: Sequence[str],
) -> Any:
    shapes = [(1, 3, *size) for size in (sizes.default, *sizes.others)]
    target = ct.target[deployment_target(options)]
    classifies = prepared.model.num_classes > 0
    names = (LOGITS, _SOFTMAX) if classifies else (LOGITS,)
    intermediate = ct.convert(
        program,
        convert_to="milinternal",
        minimum_deployment_target=target,
        compute_precision=_compute_precision(options, kept),
        inputs=[
            ct.ImageType(
                name=INPUT_NAME,
                shape=ct.EnumeratedShapes(shapes, default=shapes[0]) if sizes.others else shapes[0],
                scale=1 / 255,
                color_layout=ct.colorlayout[prepared.preprocessing.channel_order],
            )
        ],
        outputs=[ct.TensorType(name=name, dtype=np.float32) for name in names],
    )
    # In one step, coremltools counts a classifier's outputs wrongly where there is another output.
    for function in intermediate.functions.values():
        function.output_types = None
    classifier = ct.ClassifierConfig(list(prepared.labels), LABEL, _SOFTMAX)
    return ct.convert(
        intermediate,
        convert_to="mlprogram",
        minimum_deployment_target=target,
        pass_pipeline=_compression(
            intermediate, options.precision, deployment_target(options), in_half
        ),
        classifier_config=classifier if classifies else None,
        skip_model_load=True,
    )


def _compute_precision(options: ExportOptions, kept: Collection[str]) -> Any:
    """fp32, or fp16 but for the parts in ``kept``."""
    if options.precision == "fp32":
        return ct.precision.FLOAT32
    is_kept = keeps(tuple(kept))

    def in_half(operation: Operation) -> bool:
        return not any(origin and is_kept(origin) for origin in _origins(operation))

    return ct.transform.FP16ComputePrecision(op_selector=in_half)


def _compression(program: Any, precision: Precision, target: str, in_half: Sequence[str]) -> Any:
    """The pass that stores weights as the precision has them; activations are not touched.

    The parts in ``in_half`` keep theirs.
    """
    if precision == "int8-weight-only":
        name = "compression::linear_quantize_weights"
        operator: Any = compression.OpLinearQuantizerConfig(mode="linear_symmetric")
    elif precision in _PALETTE_BITS:
        name = "compression::palettize_weights"
        grouped = target >= _GROUPED_PALETTES_SINCE
        operator = compression.OpPalettizerConfig(
            mode="kmeans",
            nbits=_PALETTE_BITS[precision],
            granularity="per_grouped_channel" if grouped else "per_tensor",
            group_size=_CHANNELS_PER_PALETTE if grouped else 0,
        )
    else:
        return ct.PassPipeline.EMPTY
    config = compression.OptimizationConfig(global_config=operator)
    is_left = keeps(in_half)
    for operation in program.functions["main"].operations:
        if any(origin and is_left(origin) for origin in _origins(operation)):
            config.set_op_name(operation.name, None)
    pipeline = ct.PassPipeline([name], "weights")
    pipeline.set_options(name, {"config": config})
    return pipeline


def _origins(operation: Operation) -> Sequence[str | None]:
    """Paths of the modules that an operation comes from; several where a pass joined some."""
    return operation.scopes.get(ScopeSource.EXIR_STACK_TRACE) or ()


def _describe(model: Any, prepared: SourceModel, options: ExportOptions) -> None:
    """What Xcode shows of the model."""
    name, order = prepared.model.spec.name, prepared.preprocessing.channel_order
    source = prepared.source.origin
    model.short_description = (
        f"{name}, {options.precision}: {prepared.outputs} outputs. Weights: {source}. "
        f"{compute_advice(options).reason}"
    )
    model.author = options.coreml.author or f"weights: {source}; exported by mobilevit-edge"
    model.license = options.coreml.license or "as the source of the weights states"
    model.version = mobilevit_edge.__version__
    resize = prepared.preprocessing
    height, width = prepared.image_size
    model.input_description[INPUT_NAME] = (
        f"Photo, {height}x{width}; the network was trained with {resize.interpolation} resizing "
        f"({resize.resize}). Any pixel buffer will do: colors ({order}) and scale are converted."
    )
    model.output_description[LOGITS] = f"One number for each of {prepared.outputs} outputs."
    if prepared.model.num_classes > 0:
        model.output_description[LABEL] = "The most likely class."
        model.output_description[PROBABILITIES] = "Every class with its probability."
        model.user_defined_metadata[_PREVIEW] = "imageClassifier"
    model.user_defined_metadata["mobilevit-edge.model"] = name
    model.user_defined_metadata["mobilevit-edge.precision"] = options.precision
    if prepared.source.sha256:
        model.user_defined_metadata["mobilevit-edge.source-sha256"] = prepared.source.sha256


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
