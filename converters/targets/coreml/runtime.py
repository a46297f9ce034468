"""A Core ML package that answers: by the reference evaluator, or by Core ML where that exists."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from converters.targets.base import BOXES, EMBEDDING, INPUT_NAME, LABELS, LOGITS
from converters.targets.coreml.evaluator.interface import GRAYSCALE, ImageInput
from converters.targets.coreml.evaluator.package import MilModel, read_package
from converters.targets.coreml.library import import_coremltools
from converters.targets.loaded import Array, LoadedModel, TensorSpec
from mobilevit_edge.errors import ConversionError

_MACOS: Final = "Darwin"
_OUTPUTS: Final = (LOGITS, EMBEDDING, LABELS, BOXES)


def function_name(size: tuple[int, int]) -> str:
    """The function of a package with several: ``image_256x256``."""
    return f"image_{size[0]}x{size[1]}"


def load(path: Path) -> LoadedModel:
    """A package in the reference evaluator, on any machine.

    Raises:
        ConversionError: the package cannot be read.
    """
    model = read(path)

    def call(name: str, pixels: Array) -> Mapping[str, Any]:
        return model({INPUT_NAME: pixels}, function=name)

    version = importlib.metadata.version("torch")
    return LoadedModel(
        _run_by_size(model, call),
        f"reference evaluator, torch {version}",
        is_reference=True,
    )


def load_core_ml(path: Path) -> LoadedModel | None:
    """A package in Core ML itself; ``None`` off macOS.

    Raises:
        ConversionError: Core ML refuses the package.
    """
    if platform.system() != _MACOS:
        return None
    import coremltools as ct

    model = read(path)
    try:
        models = {
            # A package with one function has no name to choose it by.
            name: ct.models.MLModel(str(path), function_name=name if model.functions[1:] else None)
            for name in model.functions
        }
    # Core ML's errors come as RuntimeError and others of no public type.
    except Exception as error:
        raise ConversionError(f"Core ML cannot load {path}: {error}") from error

    def call(name: str, pixels: Array) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = models[name].predict({INPUT_NAME: _image(pixels)})
        except Exception as error:
            raise ConversionError(f"Core ML cannot run {path}: {error}") from error
        return answer

    version = platform.mac_ver()[0]
    return LoadedModel(_run_by_size(model, call), f"Core ML, macOS {version}")


def _functions_by_size(model: MilModel) -> dict[tuple[int, int], str]:
    """The function that takes images of each size (height, width)."""
    return {
        size: name
        for name in model.functions
        for feature in model.interface(name).inputs
        if isinstance(feature, ImageInput)
        for size in feature.sizes
    }


def _run_by_size(
    model: MilModel, call: Callable[[str, Array], Mapping[str, Any]]
) -> Callable[[Array], Array]:
    """Images ``[B, H, W, C]`` -> logits ``[B, num_outputs]``, each by its size's function.

    Those of a head are its answer, of a pipeline the boxes that remain.
    """
    by_size = _functions_by_size(model)
    answer_of = model.suppression or _first

    def run(images: Array) -> Array:
        height, width = images.shape[1:3]
        if (height, width) not in by_size:
            known = ", ".join(f"{h}x{w}" for h, w in by_size)
            raise ConversionError(f"the package takes no image of {height}x{width}, only {known}")
        function = by_size[height, width]
        answers = [call(function, pixels) for pixels in images]
        return np.concatenate([answer_of(answer) for answer in answers])

    return run


def _first(answer: Mapping[str, Any]) -> Array:
    """The output that stands before any probabilities."""
    return np.asarray(next(answer[name] for name in _OUTPUTS if name in answer))


def read(path: Path) -> MilModel:
    """A package as the evaluator sees it.

    Raises:
        ConversionError: it cannot be read.
    """
    import_coremltools()
    return read_package(path)


class CoreMLSession:
    """A package in Core ML, on the processor; see :class:`converters.targets.loaded.Session`."""

    threads = None

    def __init__(self, path: Path) -> None:
        import coremltools as ct

        try:
            self._model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit.CPU_ONLY)
        # Core ML's errors come as RuntimeError and others of no public type.
        except Exception as error:
            raise ConversionError(f"Core ML cannot load {path}: {error}") from error
        self._described = list(self._model.get_spec().description.input)
        self.inputs = tuple(_tensor_spec(value) for value in self._described)

    def bind(self, inputs: Sequence[Array]) -> Callable[[], object]:
        """One call of ``predict``."""
        feed = {
            value.name: _image(x) if _is_image(value) else x
            for value, x in zip(self._described, inputs, strict=True)
        }
        return partial(self._model.predict, feed)


def _image(pixels: Array) -> Image.Image:
    """``[H, W, 3]`` or ``[H, W, 1]`` bytes as Core ML takes them."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _is_image(value: Any) -> bool:
    return bool(value.type.WhichOneof("Type") == "imageType")


def _tensor_spec(value: Any) -> TensorSpec:
    if _is_image(value):
        image = value.type.imageType
        channels = 1 if image.colorSpace == GRAYSCALE else 3
        return TensorSpec(value.name, (image.height, image.width, channels), np.dtype(np.uint8))
    return TensorSpec(value.name, tuple(value.type.multiArrayType.shape), np.dtype(np.float32))
