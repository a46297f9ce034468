"""Resizing of the last two dimensions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.registry import register
from mobilevit_edge.errors import ConversionError


@register("upsample_nearest_neighbor")
def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: float = 1, scale_factor_width: float = 1
) -> Tensor:
    """Nearest neighbor, by whole factors for height and width.

    Raises:
        ConversionError: a factor is not whole; conventions differ in which neighbor is nearest
            then.
    """
    for axis, factor in ((-2, scale_factor_height), (-1, scale_factor_width)):
        if factor != int(factor) or factor < 1:
            raise ConversionError(f"the nearest neighbor by a factor of {factor} is not defined")
        x = x.repeat_interleave(int(factor), dim=axis)
    return x


@register("upsample_bilinear")
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
) -> Tensor:
    """Linear interpolation, by factors for height and width."""
    for axis, factor in ((-2, scale_factor_height), (-1, scale_factor_width)):
        x = _interpolate(x, axis, math.floor(x.shape[axis] * factor), align_corners)
    return x


@register("crop")
def crop(x: Tensor, crop_height: list[int], crop_width: list[int]) -> Tensor:
    """Height and width without their margins, each given as before and after."""
    top, bottom = crop_height
    left, right = crop_width
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def _interpolate(x: Tensor, axis: int, size: int, align_corners: bool) -> Tensor:
    """Linear interpolation along one axis to ``size`` points, at least one."""
    length = x.shape[axis]
    if size == length:
        return x
    # In float64: a coordinate near an integer must not fall to its wrong side.
    points = torch.arange(size, dtype=torch.float64)
    if align_corners:
        points = points * ((length - 1) / max(1, size - 1))
    else:
        points = ((points + 0.5) * (length / size) - 0.5).clamp(0, length - 1)
    lower = points.floor().long()
    upper = (lower + 1).clamp_max(length - 1)
    shape = [-1] + [1] * (-axis - 1)
    # [size] -> [size, 1, ...]
    share = (points - lower).to(x.dtype).reshape(shape)
    below, above = x.index_select(axis, lower), x.index_select(axis, upper)
    return below * (1 - share) + above * share
