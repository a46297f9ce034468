"""Convolutions and poolings of maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from converters.targets.coreml.evaluator.registry import register
from mobilevit_edge.errors import ConversionError

_MAP_RANK = 4


@register("conv")
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: list[int] | None = None,
    pad_type: str = "valid",
    pad: list[int] | None = None,
    dilations: list[int] | None = None,
    groups: int = 1,
) -> Tensor:
    """Convolution of ``[N, C, H, W]`` with ``[C', C / groups, kH, kW]``."""
    top, bottom, left, right = _padding(x, pad_type, pad)
    padded = F.pad(x, (left, right, top, bottom))
    return F.conv2d(padded, weight, bias, strides or 1, 0, dilations or 1, groups)


@register("conv_transpose")
def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    pad: list[int] | None = None,
    output_shape: list[int] | None = None,
    pad_type: str = "valid",
    strides: list[int] | None = None,
    dilations: list[int] | None = None,
    groups: int = 1,
) -> Tensor:
    """The transpose of a convolution: ``[N, C, H, W]`` with ``[C, C' / groups, kH, kW]``."""
    top, bottom, left, right = _padding(x, pad_type, pad)
    full = F.conv_transpose2d(
        x, weight, stride=strides or 1, dilation=dilations or 1, groups=groups
    )
    height, width = full.shape[2] - top - bottom, full.shape[3] - left - right
    if output_shape is not None:
        height, width = output_shape[2:]
    # Cutting off what the padding of the convolution had added; a larger output holds zeros.
    rows = (-top, height + top - full.shape[2])
    columns = (-left, width + left - full.shape[3])
    result = F.pad(full, (*columns, *rows))
    # [C'] -> [C', 1, 1]
    return result if bias is None else result + bias.reshape(-1, 1, 1)


@register("avg_pool")
def avg_pool(
    x: Tensor,
    kernel_sizes: list[int],
    pad_type: str,
    strides: list[int] | None = None,
    pad: list[int] | None = None,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    """Mean of every window, padding counted as zeros unless excluded."""
    padding = _symmetric(_padding(x, pad_type, pad))
    return F.avg_pool2d(
        x,
        kernel_sizes,
        strides or 1,
        padding,
        ceil_mode=ceil_mode,
        count_include_pad=not exclude_padding_from_average,
    )


@register("max_pool")
def max_pool(
    x: Tensor,
    kernel_sizes: list[int],
    pad_type: str,
    strides: list[int] | None = None,
    pad: list[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Maximum of every window."""
    padding = _symmetric(_padding(x, pad_type, pad))
    return F.max_pool2d(x, kernel_sizes, strides or 1, padding, ceil_mode=ceil_mode)


def _padding(x: Tensor, pad_type: str, pad: Sequence[int] | None) -> list[int]:
    """Rows and columns to add: top, bottom, left, right.

    The types ``same`` and ``same_lower``, which no conversion from torch writes, are refused.
    """
    if x.dim() != _MAP_RANK:
        raise ConversionError(f"a tensor of rank {x.dim()} is not a batch of maps")
    if pad_type == "valid":
        return [0, 0, 0, 0]
    if pad_type != "custom":
        raise ConversionError(f"the padding {pad_type!r} is not implemented")
    if pad is None or len(pad) != 2 * (_MAP_RANK - 2) or min(pad) < 0:
        raise ConversionError(f"the padding {pad} of a map")
    return list(pad)


def _symmetric(pads: Sequence[int]) -> tuple[int, int]:
    top, bottom, left, right = pads
    if top != bottom or left != right:
        raise ConversionError("a pooling with different padding on two sides is not implemented")
    return top, left
