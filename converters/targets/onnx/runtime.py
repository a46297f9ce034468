"""ONNX Runtime: how a file is opened, for answers and to be measured."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from converters.targets.graph import SIDES
from converters.targets.loaded import Array, LoadedModel, TensorSpec
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.preprocess import MAX_IMAGE_SIZE

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


def load(model: Path | bytes) -> LoadedModel:
    """An ONNX file, or the content of one, that answers.

    Raises:
        ConversionError: ONNX Runtime cannot load the file.
    """
    session = open_session(model)
    shown = model if isinstance(model, Path) else "the model"
    first = session.get_inputs()[0]
    name = first.name
    takes = tuple(side if isinstance(side, int) else None for side in first.shape)

    def run(x: Array) -> Array:
        try:
            return session.run(None, {name: x})[0]  # type: ignore[no-any-return]
        # ONNX Runtime's own exception types are not public.
        except Exception as error:
            raise ConversionError(f"ONNX Runtime cannot run {shown}: {error}") from error

    return LoadedModel(run, f"onnxruntime {onnxruntime.__version__}", takes=takes)


def _open_sides(session: onnxruntime.InferenceSession) -> dict[str, int]:
    """What stands for open sides: one image, of the size that the file's metadata names."""
    described = session.get_modelmeta().custom_metadata_map.get("input", "{}")
    try:
        sides = dict(zip(SIDES, map(int, json.loads(described)["image_size"]), strict=True))
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return sides if all(1 <= side <= MAX_IMAGE_SIZE for side in sides.values()) else {}


def _shape(sides: Sequence[int | str], known: Mapping[str, int]) -> tuple[int, ...]:
    """A shape with its open sides filled in.

    Raises:
        ConversionError: images may have any size, and the file does not name one.
    """
    if not set(SIDES).isdisjoint(sides) and not known:
        raise ConversionError("the file takes images of any size, and does not say which it is for")
    return tuple(side if isinstance(side, int) else known.get(side, 1) for side in sides)


class OnnxSession:
    """An ONNX file to be measured; see :class:`converters.targets.loaded.Session`."""

    threads = 1

    def __init__(self, path: Path, options: onnxruntime.SessionOptions | None = None) -> None:
        self.session = open_session(path, options)
        known = _open_sides(self.session)
        self.inputs = tuple(
            TensorSpec(
                value.name,
                _shape(value.shape, known),
                np.dtype(_TYPES[value.type]),
            )
            for value in self.session.get_inputs()
        )

    def bind(self, inputs: Sequence[Array]) -> Callable[[], object]:
        """One call of the session."""
        names = [spec.name for spec in self.inputs]
        feed, run = dict(zip(names, inputs, strict=True)), self.session.run
        return lambda: run(None, feed)
