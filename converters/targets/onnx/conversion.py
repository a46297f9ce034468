"""ONNX: export with torch's exporter, run with ONNX Runtime."""

from __future__ import annotations

import ast
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from converters.checks.graph_contract import Graph, Operator
from converters.export.options import QUANTIZED
from converters.quiet import quiet
from converters.targets.base import INPUT_NAME, Array, LoadedModel, output_name
from mobilevit_edge.errors import ConversionError, MissingPackageError

try:
    import onnxruntime
except ImportError as error:
    raise MissingPackageError("onnxruntime") from error

if TYPE_CHECKING:
    import onnx
    from torch import Tensor, nn

    from converters.export.options import ExportOptions
    from converters.export.source import SourceModel
    from converters.precision.apply import PrecisionPlan
    from mobilevit_edge.specs import ModelSpec

MODEL_FILE: Final = "model.onnx"
PRECISIONS: Final = ("fp32", "fp16", "int8", "int8-dynamic", "int8-weight-only")
OPSET: Final = 18
_REWRITES: Final = (
    "batch_norm_fold",
    "norm_affine_fold",
    "key_after_pooling",
    "explicit_attention",
    "row_phases",
    "instance_norm",
    "blocked_layout",
    "linear_pair_merge",
)
"""By measurement: ``docs/latency.md``."""
_SCOPES: Final = "pkg.torch.onnx.name_scopes"
_PACKAGES: Final = ("torch", "onnx", "onnxscript", "onnxruntime")


def rewrites(spec: ModelSpec, options: ExportOptions) -> tuple[str, ...]:
    """The same ones for every export."""
    return _REWRITES


def convert(
    module: nn.Module,
    prepared: SourceModel,
    options: ExportOptions,
    path: Path,
    reduced: PrecisionPlan,
) -> None:
    """Export ``module`` to ``path``, checked by onnx's own checker.

    Raises:
        ConversionError: torch or onnx refuse the model.
    """
    from converters.export.wrapping import example_input

    proto = export_graph(
        module,
        (example_input(prepared, options),),
        input_names=[INPUT_NAME],
        output_names=[output_name(softmax=options.softmax)],
        dynamic_batch=options.batch is None,
    )
    import onnx

    match options.precision:
        case "int8":
            from converters.targets.onnx.int8.qdq import quantize_onnx

            proto = quantize_onnx(proto, [batch.numpy() for batch in reduced.batches], reduced.kept)
        case "int8-dynamic":
            from converters.targets.onnx.int8.qdq import quantize_onnx_dynamic

            proto = quantize_onnx_dynamic(proto)
        case "int8-weight-only":
            from converters.targets.onnx.int8.weights import quantize_onnx_weights

            proto = quantize_onnx_weights(proto)
        case _:
            pass
    if options.precision in QUANTIZED:
        from converters.targets.onnx.int8.names import shorten_names

        shorten_names(proto.graph)
    onnx.helper.set_model_props(proto, _metadata(prepared, options))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"the exported graph is not valid ONNX: {error}") from error
    path.write_bytes(proto.SerializeToString())


def export_graph(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    *,
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    dynamic_batch: bool = False,
) -> onnx.ModelProto:
    """Any module as an ONNX graph whose nodes are named after the modules they came from.

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

    dynamic = tuple({0: torch.export.Dim("batch")} for _ in inputs) if dynamic_batch else None
    with quiet():
        try:
            program = torch.onnx.export(
                module,
                inputs,
                dynamo=True,
                input_names=input_names,
                output_names=output_names,
                dynamic_shapes=dynamic,
                opset_version=OPSET,
                verbose=False,
            )
        # The exporter raises many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"torch.onnx could not export the model: {error}") from error
    assert program is not None
    proto = program.model_proto
    _name_by_module(proto.graph)
    _strip_traces(proto.graph)
    return proto


def load(path: Path) -> LoadedModel:
    """An ONNX file in an ONNX Runtime session with one thread.

    Raises:
        ConversionError: ONNX Runtime cannot load the file.
    """
    try:
        session = onnxruntime.InferenceSession(
            path, session_options(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise ConversionError(f"ONNX Runtime cannot load {path}: {error}") from error
    name = session.get_inputs()[0].name

    def run(x: Array) -> Array:
        try:
            return session.run(None, {name: x})[0]  # type: ignore[no-any-return]
        # ONNX Runtime's own exception types are not public.
        except Exception as error:
            raise ConversionError(f"ONNX Runtime cannot run {path}: {error}") from error

    return LoadedModel(run, f"onnxruntime {onnxruntime.__version__}")


def session_options() -> onnxruntime.SessionOptions:
    """One thread, and int8 products that are exact on every processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # x86 without VNNI adds pairs of uint8 x int8 products in 16 bits, which overflow; this takes
    # its slower exact kernel. ARM, where these files run, has no such kernel.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def inspect(path: Path) -> Graph:
    """The operators of an ONNX file, with ranks by shape inference.

    Raises:
        ConversionError: the file cannot be read back.
    """
    import onnx

    try:
        proto = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True)
    # protobuf and onnx raise many types on a damaged file.
    except Exception as error:
        raise ConversionError(f"cannot read back {path}: {error}") from error
    graph = proto.graph
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for part in (graph.input, graph.value_info, graph.output)
        for value in part
    }
    return Graph(
        operators=tuple(
            Operator(
                kind=node.op_type,
                module=node.name.split("/", maxsplit=1)[0],
                rank=max((len(shapes.get(output, ())) for output in node.output), default=0),
            )
            for node in graph.node
        ),
        products=frozenset({"MatMul", "Einsum", "Attention"}),
        gathers=frozenset(
            {"Gather", "GatherElements", "GatherND", "ScatterND", "ScatterElements", "Col2Im"}
        ),
        resizes=frozenset({"Resize", "Upsample"}),
        symbols=frozenset(d for shape in shapes.values() for d in shape if isinstance(d, str)),
    )


def versions() -> Mapping[str, str]:
    """Versions of the packages that made the artifact."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def _metadata(prepared: SourceModel, options: ExportOptions) -> dict[str, str]:
    """What the file itself says, for a reader without the manifest."""
    preprocessing = prepared.preprocessing
    return {
        "model": prepared.model.spec.name,
        "precision": options.precision,
        "labels": json.dumps(prepared.labels, ensure_ascii=False),
        "input": json.dumps(
            {
                "layout": "NHWC" if options.raw_input else "NCHW",
                "channel_order": "RGB" if options.raw_input else preprocessing.channel_order,
                "scale": 1.0 if options.raw_input else 1 / 255,
            }
        ),
    }


def _name_by_module(graph: onnx.GraphProto) -> None:
    """Name every node after the module it came from: ``layer3.1.layers.0.attention/Conv_17``."""
    for index, node in enumerate(graph.node):
        scopes = {entry.key: entry.value for entry in node.metadata_props}.get(_SCOPES, "[]")
        path = ast.literal_eval(scopes)
        module = path[-2].removeprefix("model.") if len(path) > 1 else ""
        node.name = f"{module}/{node.op_type}_{index}"


def _strip_traces(graph: onnx.GraphProto) -> None:
    """Drop the exporter's stack traces: they hold paths of this machine and a tenth of the file."""
    for part in (graph.node, graph.value_info, graph.input, graph.output, graph.initializer):
        for entry in part:
            entry.ClearField("metadata_props")
            entry.ClearField("doc_string")
    graph.ClearField("metadata_props")
