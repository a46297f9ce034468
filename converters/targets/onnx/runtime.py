"""ONNX Runtime: how a file is opened, for answers and to be measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from converters.targets.loaded import Array, LoadedModel, TensorSpec
from mobilevit_edge.errors import ConversionError

_EXTERNAL_WEIGHTS: Final = "session.model_external_initializers_file_folder_path"
_TYPES: Final[dict[str, type[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


def session_options() -> onnxruntime.SessionOptions:
    """One thread, and int8 products that are exact on every processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # x86 without VNNI adds pairs of uint8 x int8 products in 16 bits, which overflow; this takes
    # its slower exact kernel. ARM, where these files run, has no such kernel.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def open_session(
    model: Path | bytes, options: onnxruntime.SessionOptions | None = None
) -> onnxruntime.InferenceSession:
    """A session on the processor, by default with :func:`session_options`.

    A model is one file: weights beside it, or anywhere else, are never opened.

    Raises:
        ConversionError: ONNX Runtime cannot load the model.
    """
    options = options or session_options()
    # No file lies in a device.
    options.add_session_config_entry(_EXTERNAL_WEIGHTS, os.devnull)
    try:
        content = model.read_bytes() if isinstance(model, Path) else model
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    # ONNX Runtime's own exception types are not public.
    except Exception as error:
        name = model if isinstance(model, Path) else "the model"
        raise ConversionError(f"ONNX Runtime cannot load {name}: {error}") from error


def load(path: Path) -> LoadedModel:
    """An ONNX file that answers.

    Raises:
        ConversionError: ONNX Runtime cannot load the file.
    """
    session = open_session(path)
    first = session.get_inputs()[0]
    name = first.name
    takes = tuple(side if isinstance(side, int) else None for side in first.shape)

    def run(x: Array) -> Array:
        try:
            return session.run(None, {name: x})[0]  # type: ignore[no-any-return]
        # ONNX Runtime's own exception types are not public.
        except Exception as error:
            raise ConversionError(f"ONNX Runtime cannot run {path}: {error}") from error

    return LoadedModel(run, f"onnxruntime {onnxruntime.__version__}", takes=takes)


class OnnxSession:
    """An ONNX file to be measured; see :class:`converters.targets.loaded.Session`."""

    threads = 1

    def __init__(self, path: Path, options: onnxruntime.SessionOptions | None = None) -> None:
        self.session = open_session(path, options)
        self.inputs = tuple(
            TensorSpec(
                value.name,
                tuple(side if isinstance(side, int) else 1 for side in value.shape),
                np.dtype(_TYPES[value.type]),
            )
            for value in self.session.get_inputs()
        )

    def bind(self, inputs: Sequence[Array]) -> Callable[[], object]:
        """One call of the session."""
        names = [spec.name for spec in self.inputs]
        feed, run = dict(zip(names, inputs, strict=True)), self.session.run
        return lambda: run(None, feed)
