"""From a torch module to a Core ML ML Program: capture, convert, compress, describe."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
from converters.job.job import ExportJob
from converters.job.precisions import PrecisionSpec
from converters.job.wrapping import ExportableModel
from converters.module_paths import network_path
from converters.precision.apply import PrecisionPlan
from converters.precision.parts import part_filter
from converters.quiet import quiet
from converters.rewrites.base import parts_of
from converters.targets.base import INPUT_NAME, PROBABILITIES, output_name
from converters.targets.coreml.compute import float_precision
from converters.targets.coreml.suppression import PROGRAM_OUTPUTS, with_suppression
from converters.targets.coreml.systems import compute_advice, ios_of
from mobilevit_edge.boxes import BOX_VALUES
from mobilevit_edge.colors import class_colors
from mobilevit_edge.errors import ConversionError, UsageError
from mobilevit_edge.models.layers import InvertedResidual

LABEL: Final = "classLabel"
LABEL_PROBABILITIES: Final = f"{LABEL}_probs"
"""coremltools' own names for a classifier's outputs, which Apple's samples expect."""
FLEXIBLE_STEP: Final = 64
"""A multiple of it needs no resizing of a map anywhere: stride 32 times the patch."""
_CHANNELS_PER_PALETTE: Final = 8
_GROUPED_PALETTES_SINCE: Final = 18
_COLOR_LAYOUTS: Final = {
    "RGB": ct.colorlayout.RGB,
    "BGR": ct.colorlayout.BGR,
    "GRAY": ct.colorlayout.GRAYSCALE,
}
_PREVIEW: Final = "com.apple.coreml.model.preview.type"
_PREVIEW_PARAMETERS: Final = "com.apple.coreml.model.preview.parameters"


class _Program(ExportableModel):
    """What the package computes: ``[1, C, H, W]`` -> a head's answer, or logits.

    A classifier gives its probabilities as well.
    """

    def __init__(self, module: ExportableModel, job: ExportJob) -> None:
        super().__init__(
            module.model,
            module.preparation,
            activation=module.activation,
            answer=module.answer,
        )
        self.task = job.task
        self.suppresses = job.answer == "nms"

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        logits = super().forward(image)
        if self.suppresses:
            return _for_suppression(logits)
        match self.task:
            case "classification":
                return logits, torch.softmax(logits, dim=-1)
            case "multilabel":
                return logits, torch.sigmoid(logits)
            case _:
                return (logits,)


def _for_suppression(rows: Tensor) -> tuple[Tensor, Tensor]:
    """``[1, N, 4 + C]`` -> confidences ``[N, C - 1]``, and boxes ``[N, 4]`` by center and size."""
    # [1, N, 4 + C] -> [N, 4 + C]
    boxes = rows[0]
    low, high = boxes[:, :2], boxes[:, 2:BOX_VALUES]
    # The background's column comes first.
    return boxes[:, BOX_VALUES + 1 :], torch.cat(((low + high) / 2, high - low), dim=1)


def _output_names(job: ExportJob) -> tuple[str, ...]:
    """Of what :class:`_Program` gives."""
    if job.answer == "nms":
        return PROGRAM_OUTPUTS
    name = output_name(job.task, answer=job.answer)
    return (name, PROBABILITIES) if job.task in ("classification", "multilabel") else (name,)


@dataclass(frozen=True)
class Sizes:
    """Image sizes (height, width) of one program; more than one makes it flexible."""

    default: tuple[int, int]
    others: tuple[tuple[int, int], ...] = ()


def make_program(module: ExportableModel, sizes: Sizes, job: ExportJob, plan: PrecisionPlan) -> Any:
    """An ML Program, compressed and described: coremltools' ``MLModel``, not loaded.

    Raises:
        UsageError: a flexible size that the network cannot take without resizing its maps.
        ConversionError: torch or coremltools refuse the model.
    """
    with quiet():
        try:
            program = _capture(_Program(module, job).eval(), sizes, job, plan)
            name_by_module(program, _output_names(job))
            # Their channels' ranges differ up to a thousandfold, and they hold few of the weights.
            uncompressed = ("stem", *(name for name, _ in parts_of(module.model, InvertedResidual)))
            model = _convert(program, sizes, job, plan, uncompressed)
        except UsageError:
            raise
        # Both raise many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"coremltools could not convert the model: {error}") from error
    _describe(model, job)
    return with_suppression(model, job) if job.answer == "nms" else model


def _capture(
    module: nn.Module, sizes: Sizes, job: ExportJob, plan: PrecisionPlan
) -> ExportedProgram:
    if job.precision.calibrated:
        from converters.precision.pt2e import quantize_program

        program = quantize_program(module, [(b,) for b in plan.batches], plan.fp32_parts)
    else:
        example = torch.zeros(1, job.module_input.channels, *sizes.default)
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


def name_by_module(program: ExportedProgram, output_names: Sequence[str]) -> None:
    """Name every operator after the module it came from, where coremltools looks for names.

    ``layer3_1_layers_0_attention__conv2d_22`` is what Xcode's performance report will show. The
    stack trace, which coremltools carries along as the operator's scope, becomes the module's path.
    """
    nodes = {node.name: node for node in program.graph.nodes if node.op == "call_function"}
    results = zip(program.graph_signature.output_specs, output_names, strict=True)
    outputs = {spec.arg.name: (spec, name) for spec, name in results}
    for name, node in nodes.items():
        path = network_path(node)
        node.meta["stack_trace"] = path
        if name in outputs:
            spec, wanted = outputs[name]
            node._rename(wanted)
            spec.arg = TensorArgument(name=node.name)
        elif path:
            node._rename(f"{path.replace('.', '_')}__{name}")


def _convert(
    program: ExportedProgram,
    sizes: Sizes,
    job: ExportJob,
    plan: PrecisionPlan,
    uncompressed: Sequence[str],
) -> Any:
    contract = job.module_input
    shapes = [(1, contract.channels, *size) for size in (sizes.default, *sizes.others)]
    bias = [-mean for mean in contract.normalization.mean]
    ios = ios_of(job.options)
    system = ct.target[f"iOS{ios}"]
    intermediate = ct.convert(
        program,
        convert_to="milinternal",
        minimum_deployment_target=system,
        compute_precision=_compute_precision(job, plan.fp32_parts),
        inputs=[
            ct.ImageType(
                name=INPUT_NAME,
                shape=ct.EnumeratedShapes(shapes, default=shapes[0]) if sizes.others else shapes[0],
                scale=contract.scale,
                bias=bias if contract.channels > 1 else bias[0],
                color_layout=_COLOR_LAYOUTS[contract.channel_order],
            )
        ],
        outputs=[
            ct.TensorType(name=name, dtype=np.dtype(job.output.dtype).type)
            for name in _output_names(job)
        ],
    )
    # In one step, coremltools counts a classifier's outputs wrongly where there is another output.
    for function in intermediate.functions.values():
        function.output_types = None
    classifier = ct.ClassifierConfig(list(job.source.labels), LABEL, PROBABILITIES)
    return ct.convert(
        intermediate,
        convert_to="mlprogram",
        minimum_deployment_target=system,
        pass_pipeline=_compression(intermediate, job.precision, ios, uncompressed),
        classifier_config=classifier if job.task == "classification" else None,
        skip_model_load=True,
    )


def _compute_precision(job: ExportJob, fp32_parts: Collection[str]) -> Any:
    """fp32, or fp16 but for the parts that stay in fp32."""
    if job.precision.name == "fp32":
        return float_precision(fp16=False)
    in_fp32 = part_filter(fp32_parts)

    def is_fp16(operation: Operation) -> bool:
        return not any(origin and in_fp32(origin) for origin in _origins(operation))

    return ct.transform.FP16ComputePrecision(op_selector=is_fp16)


def _compression(
    program: Any, precision: PrecisionSpec, ios: int, uncompressed: Sequence[str]
) -> Any:
    """The pass that stores weights as the precision has them; activations are not touched.

    The parts in ``uncompressed`` keep theirs.
    """
    if precision.name == "int8-weight-only":
        name = "compression::linear_quantize_weights"
        operator: Any = compression.OpLinearQuantizerConfig(mode="linear_symmetric")
    elif precision.palette_bits is not None:
        name = "compression::palettize_weights"
        grouped = ios >= _GROUPED_PALETTES_SINCE
        operator = compression.OpPalettizerConfig(
            mode="kmeans",
            nbits=precision.palette_bits,
            granularity="per_grouped_channel" if grouped else "per_tensor",
            group_size=_CHANNELS_PER_PALETTE if grouped else 0,
        )
    else:
        return ct.PassPipeline.EMPTY
    config = compression.OptimizationConfig(global_config=operator)
    is_left_out = part_filter(uncompressed)
    for operation in program.functions["main"].operations:
        if any(origin and is_left_out(origin) for origin in _origins(operation)):
            config.set_op_name(operation.name, None)
    pipeline = ct.PassPipeline([name], "weights")
    pipeline.set_options(name, {"config": config})
    return pipeline


def _origins(operation: Operation) -> Sequence[str | None]:
    """Paths of the modules that an operation comes from; several where a pass joined some."""
    return operation.scopes.get(ScopeSource.EXIR_STACK_TRACE) or ()


def _describe(model: Any, job: ExportJob) -> None:
    """What Xcode shows of the model."""
    options, contract = job.options, job.network_input
    name, origin = job.source.spec.name, job.source.origin
    model.short_description = (
        f"{name}, {options.precision}: {job.source.outputs} outputs. Weights: {origin.origin}. "
        f"{compute_advice(options).reason}"
    )
    model.author = options.author or f"weights: {origin.origin}; exported by mobilevit-edge"
    model.license = options.license or "as the source of the weights states"
    model.version = mobilevit_edge.__version__
    height, width = contract.image_size
    model.input_description[INPUT_NAME] = (
        f"Photo, {height}x{width}; the network was trained with {contract.interpolation} resizing "
        f"({contract.resize}). Any pixel buffer will do: colors ({contract.channel_order}) and "
        f"scale are converted."
    )
    if job.answer != "nms":
        model.output_description[output_name(job.task, answer=job.answer)] = _described_output(job)
    if job.task == "multilabel":
        model.output_description[PROBABILITIES] = "The probability of each class by itself."
    if job.task == "classification":
        model.output_description[LABEL] = "The most likely class."
        model.output_description[LABEL_PROBABILITIES] = "Every class with its probability."
        model.user_defined_metadata[_PREVIEW] = "imageClassifier"
    if job.answer == "labels":
        colors = [
            f"#{red:02x}{green:02x}{blue:02x}"
            for red, green, blue in class_colors(job.source.labels)
        ]
        parameters = {"labels": list(job.source.labels), "colors": colors}
        model.user_defined_metadata[_PREVIEW] = "imageSegmenter"
        model.user_defined_metadata[_PREVIEW_PARAMETERS] = json.dumps(parameters)
    model.user_defined_metadata["mobilevit-edge.model"] = name
    model.user_defined_metadata["mobilevit-edge.precision"] = options.precision
    if origin.sha256:
        model.user_defined_metadata["mobilevit-edge.source-sha256"] = origin.sha256


def _described_output(job: ExportJob) -> str:
    match job.answer:
        case None | "nms":
            return f"One number for each of {job.source.outputs} outputs."
        case "labels":
            return "The class of each pixel."
        case "logits" | "full-logits":
            return f"A map for each of {job.source.outputs} classes."
        case "raw":
            return "Offsets of a box, and logits, for each anchor."
        case "decoded":
            return "A box (x1, y1, x2, y2; shares of the image) and probabilities for each anchor."
