"""A torch module as an ONNX file."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from converters.job.job import ExportJob
from converters.job.wrapping import ExportableModel, example_input
from converters.module_paths import NETWORK
from converters.precision.apply import PrecisionPlan
from converters.progress import Progress
from converters.quiet import quiet
from converters.targets.base import INPUT_NAME, output_name
from converters.targets.graph import BATCH, SIDES
from converters.targets.onnx.names import node_name
from converters.targets.onnx.npu.unit import dequantize_pixels, move_as_bytes
from converters.targets.onnx.operators import translations
from converters.targets.onnx.registry import decomposed_where_needed, functions_left_unread
from converters.targets.onnx.simplification import simplify
from mobilevit_edge.errors import ConversionError, MissingPackageError
from mobilevit_edge.preprocess import MAX_IMAGE_SIZE
from mobilevit_edge.specs import MIN_IMAGE_SIZE

if TYPE_CHECKING:
    import onnx
    from torch import Tensor, nn

OPSET: Final = 18
_MAX_REASON: Final = 300
_SCOPES: Final = "pkg.torch.onnx.name_scopes"


def convert(
    module: ExportableModel, job: ExportJob, plan: PrecisionPlan, path: Path, progress: Progress
) -> PrecisionPlan:
    """Export ``module`` to ``path``, checked by onnx's own checker; the plan as it was followed.

    Raises:
        ConversionError: torch or onnx refuse the model.
    """
    options = job.options
    proto = export_graph(
        module,
        (example_input(job),),
        input_names=[INPUT_NAME],
        output_names=[output_name(job.task, job.activation, job.answer)],
        dynamic=_dynamic_axes(job),
    )
    import onnx

    if options.unit == "npu":
        dequantize_pixels(proto.graph)
    match options.precision:
        case "fp32" if options.unit == "npu":
            move_as_bytes(proto.graph)
        case "fp16" if options.unit == "npu":
            from converters.targets.onnx.npu.half import as_fp16

            move_as_bytes(proto.graph)
            proto = as_fp16(proto)
        case "w8a16" | "w8a8" | "mixed":
            from converters.targets.onnx.npu.quantized.parts import quantize_parts

            proto, plan = quantize_parts(proto, module.model, job, plan, progress)
        case "int8":
            from converters.targets.onnx.int8.qdq import quantize_onnx

            batches = [batch.numpy() for batch in plan.batches]
            proto = quantize_onnx(proto, batches, plan.fp32_parts, progress)
        case "int8-dynamic":
            from converters.targets.onnx.int8.dynamic import quantize_onnx_dynamic

            proto = quantize_onnx_dynamic(proto)
        case "int8-weight-only":
            from converters.targets.onnx.int8.weights import quantize_onnx_weights

            proto = quantize_onnx_weights(proto)
        case _:
            pass
    if job.precision.quantized:
        from converters.targets.onnx.int8.names import shorten_names

        shorten_names(proto.graph)
    if job.answer == "nms":
        from converters.targets.onnx.suppression import append_suppression

        append_suppression(proto.graph, job.rules)
    proto = at_opset(proto, options.opset)
    onnx.helper.set_model_props(proto, _metadata(job, plan))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"the exported graph is not valid ONNX: {error}") from error
    path.write_bytes(proto.SerializeToString())
    return plan


def export_graph(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    *,
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    dynamic: Mapping[int, str] | None = None,
) -> onnx.ModelProto:
    """Any module as an ONNX graph whose nodes are named after the modules they came from.

    Args:
        module: in eval mode.
        inputs: to trace it with.
        input_names: of the graph.
        output_names: of the graph.
        dynamic: axes of the inputs that stay open, by index, with their names.

    Raises:
        ConversionError: torch refuses the module.
        MissingPackageError: onnx or onnxscript is not installed.
    """
    try:
        import onnx  # noqa: F401  torch's exporter needs both and would fail late
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(error.name or "onnx") from error
    import torch

    dimensions = {axis: _dimension(name) for axis, name in (dynamic or {}).items()}
    with quiet(), functions_left_unread(), decomposed_where_needed():
        try:
            program = torch.onnx.export(
                module,
                inputs,
                dynamo=True,
                input_names=input_names,
                output_names=output_names,
                dynamic_shapes=tuple(dimensions for _ in inputs) if dimensions else None,
                opset_version=OPSET,
                custom_translation_table=translations(),
                verbose=False,
                optimize=False,
            )
            assert program is not None
            simplify(program.model)
        # The exporter raises many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"torch.onnx could not export the model: {error}") from error
    proto = program.model_proto
    _name_by_module(proto.graph)
    _strip_traces(proto.graph)
    return proto


def _dynamic_axes(job: ExportJob) -> dict[int, str]:
    """The axes of the module's input that stay open."""
    contract = job.module_input
    channels = "channels"
    nchw = contract.layout == "NCHW"
    names = (BATCH, channels, *SIDES) if nchw else (BATCH, *SIDES, channels)
    return {axis: names[axis] for axis, side in enumerate(contract.shape) if side is None}


def _dimension(name: str) -> Any:
    import torch

    if name == BATCH:
        return torch.export.Dim(name)
    return torch.export.Dim(name, min=MIN_IMAGE_SIZE, max=MAX_IMAGE_SIZE)


def at_opset(proto: onnx.ModelProto, opset: int | None) -> onnx.ModelProto:
    """The graph with the operators of another version, in the oldest format that has these.

    Runtimes refuse files of a newer format than they know, whatever is inside.

    Raises:
        ConversionError: some of its operators do not exist in that version.
    """
    from onnx import helper, version_converter

    if opset not in (None, OPSET):
        _drop_defaults(proto.graph)
        try:
            proto = version_converter.convert_version(proto, opset)
        except (RuntimeError, version_converter.ConvertError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise ConversionError(
                f"this model cannot be written with --opset {opset}: {reason[:_MAX_REASON]}; "
                f"choose one nearer to {OPSET}"
            ) from error
    proto.ir_version = helper.find_min_ir_version_for(list(proto.opset_import))
    return proto


def _drop_defaults(graph: onnx.GraphProto) -> None:
    """Drop an attribute that says nothing, and that older operators do not know."""
    for node in graph.node:
        for attribute in list(node.attribute):
            if attribute.name == "noop_with_empty_axes" and attribute.i == 0:
                node.attribute.remove(attribute)


def _metadata(job: ExportJob, plan: PrecisionPlan) -> dict[str, str]:
    """What the file itself says, for a reader without the manifest."""
    contract = job.artifact_input
    widths = {"widths": json.dumps(dict(plan.widths))} if plan.widths else {}
    return widths | {
        "model": job.source.spec.name,
        "precision": job.options.precision,
        "labels": json.dumps(job.source.labels, ensure_ascii=False),
        "input": json.dumps(
            {
                "image_size": contract.image_size,
                "layout": contract.layout,
                "channel_order": contract.channel_order,
                "scale": contract.scale,
                "mean": contract.normalization.mean,
                "std": contract.normalization.std,
            }
        ),
    }


def _name_by_module(graph: onnx.GraphProto) -> None:
    """Name every node after the module it came from: ``layer3.1.layers.0.attention/Conv_17``."""
    for index, node in enumerate(graph.node):
        scopes = {entry.key: entry.value for entry in node.metadata_props}.get(_SCOPES, "[]")
        path = ast.literal_eval(scopes)
        module = path[-2].removeprefix(NETWORK) if len(path) > 1 else ""
        node.name = node_name(module, f"{node.op_type}_{index}")


def _strip_traces(graph: onnx.GraphProto) -> None:
    """Drop the exporter's stack traces: they hold paths of this machine and a tenth of the file."""
    for part in (graph.node, graph.value_info, graph.input, graph.output, graph.initializer):
        for entry in part:
            entry.ClearField("metadata_props")
            entry.ClearField("doc_string")
    graph.ClearField("metadata_props")
