"""What a Core ML model declares of its inputs and outputs, and how values enter and leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from converters.targets.coreml.evaluator.program import Function
from converters.targets.coreml.evaluator.types import DTYPES, TensorType, round_to, to_array
from mobilevit_edge.errors import BundleError, ConversionError, ImageError, InputError

Range = tuple[int, int | None]
"""Smallest and largest size, both allowed; ``None`` is unlimited."""

_CHANNELS: Final = 3
_COLOUR_SPACES: Final = {20: "RGB", 30: "BGR"}
_ARRAY_TYPES: Final = {
    65568: "fp32",
    65552: "fp16",
    131104: "int32",
    131080: "int8",
}


@dataclass(frozen=True)
class ImageInput:
    """An image, given as ``[H, W, 3]`` RGB bytes.

    ``order`` is the channel order that the program receives. ``sizes`` are the allowed (height,
    width), unless ``ranges`` gives bounds for both instead.
    """

    name: str
    height: int
    width: int
    order: Literal["RGB", "BGR"]
    sizes: tuple[tuple[int, int], ...]
    ranges: tuple[Range, ...] = ()


@dataclass(frozen=True)
class TensorInput:
    """An array. ``shapes`` are the allowed ones, unless ``ranges`` bounds every dimension."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    shapes: tuple[tuple[int, ...], ...]
    ranges: tuple[Range, ...] = ()


@dataclass(frozen=True)
class TensorOutput:
    """An array. ``None`` in the shape stands for a size that depends on the input's."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class ClassifierOutput:
    """The two outputs of a classifier: the label, and the probability of every label."""

    label: str
    probabilities: str


@dataclass(frozen=True)
class Interface:
    """A function's inputs and outputs as an app sees them."""

    inputs: tuple[ImageInput | TensorInput, ...]
    outputs: tuple[TensorOutput | ClassifierOutput, ...]


def parse_interface(message: Any, function: Function) -> Interface:
    """A ``ModelDescription`` or ``FunctionDescription`` message.

    Raises:
        BundleError: it does not fit the program, or has inputs of another kind.
    """
    inputs = tuple(_parse_input(feature) for feature in message.input)
    declared = {value.name for value in function.inputs}
    if {feature.name for feature in inputs} != declared:
        raise BundleError("the model's inputs are not those of its program")
    label, probabilities = message.predictedFeatureName, message.predictedProbabilitiesName
    outputs: list[TensorOutput | ClassifierOutput] = []
    if label:
        outputs.append(ClassifierOutput(label, probabilities))
    for feature in message.output:
        if feature.name not in function.outputs:
            raise BundleError(f"the program does not make the model's output {feature.name!r}")
        if feature.name not in (label, probabilities) or not label:
            outputs.append(_parse_output(feature, function))
    return Interface(inputs, tuple(outputs))


def convert_inputs(
    interface: Interface, function: Function, given: Mapping[str, npt.NDArray[Any]]
) -> dict[str, Tensor]:
    """Arrays as the program's values.

    Raises:
        ImageError: an image is not ``[H, W, 3]`` bytes of an allowed size.
        InputError: an input is missing or unknown, or an array has another shape or kind.
    """
    names = {feature.name for feature in interface.inputs}
    if set(given) != names:
        raise InputError(f"the inputs are {sorted(names)}, given are {sorted(given)}")
    types = {value.name: value.type for value in function.inputs}
    values = {}
    for feature in interface.inputs:
        array = np.asarray(given[feature.name])
        if isinstance(feature, ImageInput):
            value = _convert_image(feature, array)
        else:
            value = _convert_tensor(feature, array)
        values[feature.name] = _enter(feature.name, value, types[feature.name])
    return values


def convert_outputs(
    interface: Interface, function: Function, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The program's values as arrays, a classifier's as text and dictionary."""
    outputs: dict[str, Any] = {}
    for feature in interface.outputs:
        if isinstance(feature, ClassifierOutput):
            for name in filter(None, (feature.label, feature.probabilities)):
                outputs[name] = values[name]
        else:
            declared = function.output_type(feature.name)
            assert declared is not None
            outputs[feature.name] = to_array(values[feature.name], DTYPES[declared.dtype])
    return outputs


def _parse_input(feature: Any) -> ImageInput | TensorInput:
    kind = feature.type.WhichOneof("Type")
    if kind == "imageType":
        return _parse_image(feature.name, feature.type.imageType)
    if kind == "multiArrayType":
        return _parse_array(feature.name, feature.type.multiArrayType)
    raise BundleError(f"the input {feature.name!r} is neither an image nor an array")


def _parse_image(name: str, image: Any) -> ImageInput:
    if image.colorSpace not in _COLOUR_SPACES:
        raise BundleError(f"the image {name!r} is not in color; only RGB and BGR are evaluated")
    order: Literal["RGB", "BGR"] = "RGB" if _COLOUR_SPACES[image.colorSpace] == "RGB" else "BGR"
    default = (int(image.height), int(image.width))
    flexible = image.WhichOneof("SizeFlexibility")
    sizes: tuple[tuple[int, int], ...] = (default,)
    ranges: tuple[Range, ...] = ()
    if flexible == "enumeratedSizes":
        sizes = tuple((int(s.height), int(s.width)) for s in image.enumeratedSizes.sizes)
    elif flexible == "imageSizeRange":
        bounds = image.imageSizeRange
        ranges = (_range(bounds.heightRange), _range(bounds.widthRange))
    return ImageInput(name, *default, order, _with_default(sizes, default), ranges)


def _parse_array(name: str, array: Any) -> TensorInput:
    default = tuple(int(size) for size in array.shape)
    flexible = array.WhichOneof("ShapeFlexibility")
    shapes: tuple[tuple[int, ...], ...] = (default,)
    ranges: tuple[Range, ...] = ()
    if flexible == "enumeratedShapes":
        shapes = tuple(tuple(int(s) for s in e.shape) for e in array.enumeratedShapes.shapes)
    elif flexible == "shapeRange":
        ranges = tuple(_range(bounds) for bounds in array.shapeRange.sizeRanges)
    if array.dataType not in _ARRAY_TYPES:
        raise BundleError(f"the array {name!r} is of the unknown type {array.dataType}")
    dtype = _ARRAY_TYPES[array.dataType]
    return TensorInput(name, default, dtype, _with_default(shapes, default), ranges)


def _parse_output(feature: Any, function: Function) -> TensorOutput:
    declared = function.output_type(feature.name)
    if feature.type.WhichOneof("Type") != "multiArrayType" or declared is None:
        raise BundleError(f"the output {feature.name!r} is no array; only those are evaluated")
    if declared.dtype not in DTYPES:
        raise BundleError(f"the output {feature.name!r} is of type {declared.dtype}")
    return TensorOutput(feature.name, declared.shape, declared.dtype)


def _with_default(shapes: tuple[Any, ...], default: Any) -> tuple[Any, ...]:
    return shapes if default in shapes else (default, *shapes)


def _range(message: Any) -> Range:
    return int(message.lowerBound), int(message.upperBound) if message.upperBound >= 0 else None


def _convert_image(feature: ImageInput, pixels: npt.NDArray[Any]) -> Tensor:
    """``[H, W, 3]`` RGB bytes -> ``[1, 3, H, W]`` of 0 to 255 in the declared channel order."""
    if pixels.dtype != np.uint8 or pixels.ndim != _CHANNELS or pixels.shape[2] != _CHANNELS:
        raise ImageError(
            f"{feature.name}: [height, width, 3] bytes are expected, "
            f"not {list(pixels.shape)} of {pixels.dtype}"
        )
    if not _allowed(pixels.shape[:2], feature.sizes, feature.ranges):
        raise ImageError(
            f"{feature.name}: an image of {pixels.shape[0]}x{pixels.shape[1]} pixels is not "
            f"among the model's sizes ({_list(feature.sizes, feature.ranges)})"
        )
    ordered = pixels if feature.order == "RGB" else pixels[:, :, ::-1]
    # [H, W, 3] -> [1, 3, H, W]
    return torch.from_numpy(np.ascontiguousarray(ordered.transpose(2, 0, 1))[None]).float()


def _convert_tensor(feature: TensorInput, array: npt.NDArray[Any]) -> Tensor:
    if not _allowed(array.shape, feature.shapes, feature.ranges):
        raise InputError(
            f"{feature.name}: the shape {list(array.shape)} is not among the model's "
            f"({_list(feature.shapes, feature.ranges)})"
        )
    is_float = DTYPES[feature.dtype].is_float
    if array.dtype.kind not in ("f" if is_float else "iu"):
        raise InputError(f"{feature.name}: {array.dtype} where {feature.dtype} is expected")
    return torch.from_numpy(array.astype(np.float32 if is_float else np.int64))


def _enter(name: str, value: Tensor, declared: TensorType | None) -> Tensor:
    if declared is None or declared.dtype not in DTYPES:
        raise InputError(f"{name}: the program takes no tensor there")
    fits = len(declared.shape) == value.dim() and all(
        expected in (None, size) for expected, size in zip(declared.shape, value.shape, strict=True)
    )
    if not fits:
        raise InputError(f"{name}: the program takes {declared}, not {list(value.shape)}")
    try:
        return round_to(value, DTYPES[declared.dtype])
    except ConversionError as error:
        raise InputError(f"{name}: {error}") from error


def _allowed(
    shape: tuple[int, ...], shapes: tuple[tuple[int, ...], ...], ranges: tuple[Range, ...]
) -> bool:
    if not ranges:
        return shape in shapes
    return len(shape) == len(ranges) and all(
        low <= size and (high is None or size <= high)
        for size, (low, high) in zip(shape, ranges, strict=True)
    )


def _list(shapes: tuple[tuple[int, ...], ...], ranges: tuple[Range, ...]) -> str:
    if ranges:
        return " x ".join(f"{low} to {'any' if high is None else high}" for low, high in ranges)
    return ", ".join("x".join(str(size) for size in shape) for shape in shapes)
