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
from converters.targets.coreml.evaluator.tensor_types import DTYPES, TensorType, round_to, to_array
from mobilevit_edge.errors import BundleError, ConversionError, ImageError, InputError

GRAYSCALE: Final = 10
"""The color space of an image of one channel."""
_COLOR_SPACES: Final[Mapping[int, Literal["RGB", "BGR", "GRAY"]]] = {
    GRAYSCALE: "GRAY",
    20: "RGB",
    30: "BGR",
}


@dataclass(frozen=True)
class ImageInput:
    """An image, given as ``[H, W, 3]`` RGB bytes, or ``[H, W, 1]`` gray ones.

    ``order`` is the channel order that the program receives. ``sizes`` are the allowed (height,
    width), the default first.
    """

    name: str
    order: Literal["RGB", "BGR", "GRAY"]
    sizes: tuple[tuple[int, int], ...]

    @property
    def channels(self) -> int:
        """Of an image."""
        return 1 if self.order == "GRAY" else 3


@dataclass(frozen=True)
class ArrayInput:
    """An array of the type that the program declares."""

    name: str


@dataclass(frozen=True)
class Interface:
    """A function's inputs and the names of its outputs, as an app sees them."""

    inputs: tuple[ImageInput | ArrayInput, ...]
    outputs: tuple[str, ...]


def parse_interface(message: Any, function: Function) -> Interface:
    """A ``ModelDescription`` or ``FunctionDescription`` message.

    Raises:
        BundleError: it does not fit the program, or has inputs or outputs of another kind.
    """
    inputs = tuple(_parse_input(feature) for feature in message.input)
    if {feature.name for feature in inputs} != {value.name for value in function.inputs}:
        raise BundleError("the model's inputs are not those of its program")
    for feature in message.output:
        if feature.name not in function.outputs:
            raise BundleError(f"the program does not make the model's output {feature.name!r}")
        if feature.type.WhichOneof("Type") == "imageType":
            raise BundleError(f"the output {feature.name!r} is an image, which is not evaluated")
    return Interface(inputs, tuple(feature.name for feature in message.output))


def convert_inputs(
    interface: Interface, function: Function, given: Mapping[str, npt.NDArray[Any]]
) -> dict[str, Tensor]:
    """Arrays as the program's values.

    Raises:
        ImageError: an image is not ``[H, W, C]`` bytes of an allowed size.
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
            value = _convert_array(feature, array)
        values[feature.name] = _enter(feature.name, value, types[feature.name])
    return values


def convert_outputs(
    interface: Interface, function: Function, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The program's values as arrays, a classifier's as text and dictionary."""
    types = function.types
    outputs = {}
    for name in interface.outputs:
        value, declared = values[name], types[name]
        if isinstance(value, Tensor) and declared is not None:
            value = to_array(value, DTYPES[declared.dtype])
        outputs[name] = value
    return outputs


def _parse_input(feature: Any) -> ImageInput | ArrayInput:
    kind = feature.type.WhichOneof("Type")
    if kind == "imageType":
        return _parse_image(feature.name, feature.type.imageType)
    if kind == "multiArrayType":
        return ArrayInput(feature.name)
    raise BundleError(f"the input {feature.name!r} is neither an image nor an array")


def _parse_image(name: str, image: Any) -> ImageInput:
    if image.colorSpace not in _COLOR_SPACES:
        raise BundleError(
            f"the image {name!r} is neither in color nor in 8-bit gray, and only those are "
            f"evaluated"
        )
    if image.WhichOneof("SizeFlexibility") == "imageSizeRange":
        raise BundleError(
            f"the image {name!r} has a range of sizes; only listed ones are evaluated"
        )
    default = (int(image.height), int(image.width))
    listed = [(int(size.height), int(size.width)) for size in image.enumeratedSizes.sizes]
    sizes = tuple(dict.fromkeys((default, *listed)))
    return ImageInput(name, _COLOR_SPACES[image.colorSpace], sizes)


def _convert_image(feature: ImageInput, pixels: npt.NDArray[Any]) -> Tensor:
    """``[H, W, C]`` RGB or gray bytes -> ``[1, C, H, W]`` of 0 to 255 as declared."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != feature.channels:
        raise ImageError(
            f"{feature.name}: [height, width, {feature.channels}] bytes are expected, "
            f"not {list(pixels.shape)} of {pixels.dtype}"
        )
    height, width = pixels.shape[:2]
    if (height, width) not in feature.sizes:
        sizes = ", ".join(f"{h}x{w}" for h, w in feature.sizes)
        raise ImageError(
            f"{feature.name}: an image of {height}x{width} pixels is not among the model's sizes "
            f"({sizes})"
        )
    ordered = pixels[:, :, ::-1] if feature.order == "BGR" else pixels
    # [H, W, C] -> [1, C, H, W]
    return torch.from_numpy(np.ascontiguousarray(ordered.transpose(2, 0, 1))[None]).float()


def _convert_array(feature: ArrayInput, array: npt.NDArray[Any]) -> Tensor:
    if array.dtype.kind not in "fiu":
        raise InputError(f"{feature.name}: numbers are expected, not {array.dtype}")
    return torch.from_numpy(array.astype(np.float32 if array.dtype.kind == "f" else np.int64))


def _enter(name: str, value: Tensor, declared: TensorType | None) -> Tensor:
    if declared is None or declared.dtype not in DTYPES:
        raise InputError(f"{name}: the program takes no tensor there")
    if not declared.allows(tuple(value.shape)):
        raise InputError(f"{name}: the program takes {declared}, not {list(value.shape)}")
    try:
        return round_to(value, DTYPES[declared.dtype])
    except ConversionError as error:
        raise InputError(f"{name}: {error}") from error
