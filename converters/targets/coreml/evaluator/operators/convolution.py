"""Convolutions and poolings, over one to three spatial dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from converters.targets.coreml.evaluator.registry import operator
from mobilevit_edge.errors import ConversionError

_Function = Callable[..., Tensor]
_CONV: Final[tuple[_Function, ...]] = (F.conv1d, F.conv2d, F.conv3d)
_CONV_TRANSPOSE: Final[tuple[_Function, ...]] = (
    F.conv_transpose1d,
    F.conv_transpose2d,
    F.conv_transpose3d,
)
_AVG_POOL: Final[tuple[_Function, ...]] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)
_MAX_POOL: Final[tuple[_Function, ...]] = (F.max_pool1d, F.max_pool2d, F.max_pool3d)


@operator("conv")
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
    """Convolution of ``[N, C, *D]`` with ``[C', C / groups, *K]``."""
    spatial = _spatial(x)
    strides = strides or [1] * spatial
    dilations = dilations or [1] * spatial
    window = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True)]
    padded = F.pad(x, _torch_order(_padding(x, pad_type, pad, window, strides)))
    return _CONV[spatial - 1](
        padded, weight, bias, stride=strides, dilation=dilations, groups=groups
    )


@operator("conv_transpose")
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
    """The transpose of a convolution: ``[N, C, *D]`` with ``[C, C' / groups, *K]``.

    Raises:
        ConversionError: a padding type that MIL does not define exactly.
    """
    spatial = _spatial(x)
    if pad_type not in ("valid", "custom"):
        raise ConversionError(f"the padding {pad_type!r} of a transposed convolution")
    pads = _pairs(pad if pad_type == "custom" and pad else [0] * 2 * spatial, spatial)
    full = _CONV_TRANSPOSE[spatial - 1](
        x,
        weight,
        stride=strides or [1] * spatial,
        dilation=dilations or [1] * spatial,
        groups=groups,
    )
    sizes = [size - sum(pair) for size, pair in zip(full.shape[2:], pads, strict=True)]
    if output_shape is not None:
        sizes = output_shape[2:]
    # Cutting off what the padding of the convolution had added; a larger output holds zeros.
    cut = [
        (-before, size + before - length)
        for length, size, (before, _) in zip(full.shape[2:], sizes, pads, strict=True)
    ]
    result = F.pad(full, _torch_order(cut))
    if bias is None:
        return result
    # [C'] -> [C', 1, ...]
    return result + bias.reshape(-1, *[1] * spatial)


@operator("avg_pool")
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
    spatial = _spatial(x)
    strides = strides or [1] * spatial
    pads = _padding(x, pad_type, pad, kernel_sizes, strides)
    pool = _AVG_POOL[spatial - 1]
    if ceil_mode:
        return pool(
            x,
            kernel_sizes,
            strides,
            padding=_symmetric(pads),
            ceil_mode=True,
            count_include_pad=not exclude_padding_from_average,
        )
    mean = pool(F.pad(x, _torch_order(pads)), kernel_sizes, strides)
    if not exclude_padding_from_average:
        return mean
    inside = F.pad(torch.ones_like(x), _torch_order(pads))
    return mean / pool(inside, kernel_sizes, strides)


@operator("max_pool")
def max_pool(
    x: Tensor,
    kernel_sizes: list[int],
    pad_type: str,
    strides: list[int] | None = None,
    pad: list[int] | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Maximum of every window."""
    spatial = _spatial(x)
    strides = strides or [1] * spatial
    pads = _padding(x, pad_type, pad, kernel_sizes, strides)
    pool = _MAX_POOL[spatial - 1]
    if ceil_mode:
        return pool(x, kernel_sizes, strides, padding=_symmetric(pads), ceil_mode=True)
    return pool(F.pad(x, _torch_order(pads), value=-torch.inf), kernel_sizes, strides)


def _spatial(x: Tensor) -> int:
    spatial = x.dim() - 2
    if spatial not in (1, 2, 3):
        raise ConversionError(f"a tensor of rank {x.dim()} has no spatial dimensions")
    return spatial


def _padding(
    x: Tensor,
    pad_type: str,
    pad: Sequence[int] | None,
    window: Sequence[int],
    strides: Sequence[int],
) -> list[tuple[int, int]]:
    """Elements to add before and after each spatial dimension.

    ``same`` asks for ceil(size / stride) outputs and puts an odd one after, ``same_lower`` before.
    """
    spatial = _spatial(x)
    if pad_type == "custom":
        return _pairs(pad if pad is not None else [0] * 2 * spatial, spatial)
    if pad_type == "valid":
        return [(0, 0)] * spatial
    if pad_type not in ("same", "same_lower"):
        raise ConversionError(f"the padding {pad_type!r} is unknown")
    pairs = []
    for size, length, stride in zip(x.shape[2:], window, strides, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + length - size)
        half = total // 2
        pairs.append((half, total - half) if pad_type == "same" else (total - half, half))
    return pairs


def _pairs(flat: Sequence[int], count: int) -> list[tuple[int, int]]:
    if len(flat) != 2 * count or min(flat) < 0:
        raise ConversionError(f"the padding {list(flat)} of {count} dimensions")
    return list(zip(flat[::2], flat[1::2], strict=True))


def _torch_order(pads: Sequence[tuple[int, int]]) -> list[int]:
    """Torch counts dimensions from the last."""
    return [amount for pair in reversed(pads) for amount in pair]


def _symmetric(pads: Sequence[tuple[int, int]]) -> list[int]:
    if any(before != after for before, after in pads):
        raise ConversionError("rounding sizes up needs the same padding on both sides")
    return [before for before, _ in pads]
