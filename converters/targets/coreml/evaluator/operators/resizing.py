"""Resizing of the last dimensions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.registry import Number, operator
from mobilevit_edge.errors import ConversionError


@operator("upsample_nearest_neighbor")
def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: Number = 1, scale_factor_width: Number = 1
) -> Tensor:
    """Nearest neighbor, by factors for height and width."""
    height = math.floor(x.shape[-2] * scale_factor_height)
    width = math.floor(x.shape[-1] * scale_factor_width)
    return resize_nearest_neighbor(x, height, width)


@operator("resize_nearest_neighbor")
def resize_nearest_neighbor(x: Tensor, target_size_height: int, target_size_width: int) -> Tensor:
    """Nearest neighbor, to a size."""
    return _repeat(_repeat(x, -2, target_size_height), -1, target_size_width)


@operator("upsample_bilinear")
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: Number = 1,
    scale_factor_width: Number = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    """Linear interpolation, by factors for height and width.

    Raises:
        ConversionError: corners are to be aligned and pixels centered, which contradict each other.
    """
    if align_corners and half_pixel_centers:
        raise ConversionError("corners cannot be aligned and pixels be centered at once")
    height = math.floor(x.shape[-2] * scale_factor_height)
    width = math.floor(x.shape[-1] * scale_factor_width)
    if align_corners:
        mode = "STRICT_ALIGN_CORNERS"
    else:
        mode = "DEFAULT" if half_pixel_centers is False else "UNALIGN_CORNERS"
    return resize_bilinear(x, height, width, mode)


@operator("resize_bilinear")
def resize_bilinear(
    x: Tensor,
    target_size_height: int = 1,
    target_size_width: int = 1,
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """Linear interpolation, to a size."""
    x = _interpolate(x, -2, target_size_height, sampling_mode)
    return _interpolate(x, -1, target_size_width, sampling_mode)


@operator("resize")
def resize(
    x: Tensor,
    shape: list[int],
    resized_dims: int,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """The last ``resized_dims`` dimensions to the last sizes of ``shape``; 0 leaves one as it is.

    Raises:
        ConversionError: an unknown mode, or more sizes than dimensions.
    """
    if not resized_dims <= len(shape) <= x.dim():
        raise ConversionError(f"the shape {shape} for {resized_dims} dimensions of {x.dim()}")
    for axis in range(-resized_dims, 0):
        size = shape[axis] or x.shape[axis]
        if interpolation_mode == "LINEAR":
            x = _interpolate(x, axis, size, sampling_mode)
        elif interpolation_mode == "NEAREST_NEIGHBOR":
            x = _repeat(x, axis, size)
        else:
            raise ConversionError(f"the interpolation {interpolation_mode!r} is unknown")
    return x


@operator("crop")
def crop(x: Tensor, crop_height: list[int], crop_width: list[int]) -> Tensor:
    """Height and width without their margins, each given as before and after."""
    top, bottom = crop_height
    left, right = crop_width
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def _repeat(x: Tensor, axis: int, size: int) -> Tensor:
    """Nearest neighbor along one axis.

    Conventions differ in which neighbor is the nearest, except where every element is repeated
    as often as any other.
    """
    times, rest = divmod(size, x.shape[axis])
    if rest or times < 1:
        raise ConversionError(
            f"the nearest neighbor from {x.shape[axis]} to {size} is not defined exactly"
        )
    return x.repeat_interleave(times, dim=axis)


def _interpolate(x: Tensor, axis: int, size: int, mode: str) -> Tensor:
    """Linear interpolation along one axis."""
    length = x.shape[axis]
    if size == length and mode != "OFFSET_CORNERS":
        return x
    # In float64: a coordinate near an integer must not fall to its wrong side.
    points = _grid(length, size, mode, x.device).clamp(0, length - 1)
    lower = points.floor().long()
    upper = (lower + 1).clamp_max(length - 1)
    shape = [-1] + [1] * (-axis - 1)
    # [size] -> [size, 1, ...]
    share = (points - lower).to(x.dtype).reshape(shape)
    below, above = x.index_select(axis, lower), x.index_select(axis, upper)
    return below * (1 - share) + above * share


def _grid(length: int, size: int, mode: str, device: torch.device) -> Tensor:
    """Coordinates of the ``size`` points to take from ``length`` pixels: ``[size]``."""
    index = torch.arange(size, dtype=torch.float64, device=device)
    if mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        if size > 1:
            return index * ((length - 1) / (size - 1))
        return index if mode == "STRICT_ALIGN_CORNERS" else index + (length - 1) / 2
    if mode == "DEFAULT":
        return index * (length / size)
    if mode == "OFFSET_CORNERS":
        return (index + 0.5) * (max(1, length - 1) / size)
    if mode == "UNALIGN_CORNERS":
        return (index + 0.5) * (length / size) - 0.5
    raise ConversionError(f"the sampling {mode!r} is unknown")
