"""ONNX: export with torch's exporter, run with ONNX Runtime."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from converters.backend import INPUT_NAME, Array, LoadedModel, output_name
from mobilevit_edge.errors import ConversionError, MissingPackageError

try:
    import onnxruntime
except ImportError as error:
    raise MissingPackageError("onnxruntime", "onnx") from error

if TYPE_CHECKING:
    from torch import nn

    from converters.options import ExportOptions
    from converters.prepare import Prepared

MODEL_FILE: Final = "model.onnx"
PRECISIONS: Final = ("fp32", "fp16")
OPSET: Final = 18
_PACKAGES: Final = ("torch", "onnx", "onnxscript", "onnxruntime")


def convert(module: nn.Module, prepared: Prepared, options: ExportOptions, path: Path) -> None:
    """Export ``module`` to ``path``, checked by onnx's own checker.

    Raises:
        ConversionError: torch or onnx refuse the model.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  torch's exporter needs it and would fail late
    except ImportError as error:
        raise MissingPackageError(error.name or "onnx", "onnx") from error
    import torch

    from converters.deploy import example_input

    example = example_input(prepared, options)
    dynamic = {0: torch.export.Dim("batch")} if options.batch is None else None
    with _quiet():
        try:
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                input_names=[INPUT_NAME],
                output_names=[output_name(softmax=options.softmax)],
                dynamic_shapes=(dynamic,) if dynamic else None,
                opset_version=OPSET,
                verbose=False,
            )
        # The exporter raises many types, none of which a user can act on by type.
        except Exception as error:
            raise ConversionError(f"torch.onnx could not export the model: {error}") from error
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, _metadata(prepared, options))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(f"the exported graph is not valid ONNX: {error}") from error
    path.write_bytes(proto.SerializeToString())


def load(path: Path) -> LoadedModel:
    """An ONNX file in an ONNX Runtime session with one thread.

    Raises:
        ConversionError: ONNX Runtime cannot load the file.
    """
    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = 1
    session_options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            path, session_options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise ConversionError(f"ONNX Runtime cannot load {path}: {error}") from error
    name = session.get_inputs()[0].name

    def run(x: Array) -> Array:
        return session.run(None, {name: x})[0]  # type: ignore[no-any-return]

    return LoadedModel(run, f"onnxruntime {onnxruntime.__version__}")


def versions() -> Mapping[str, str]:
    """Versions of the packages that made the artifact."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def _metadata(prepared: Prepared, options: ExportOptions) -> dict[str, str]:
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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's advice to its own developers off the user's terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
