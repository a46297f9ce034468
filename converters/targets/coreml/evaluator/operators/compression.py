"""Compressed constants, and values quantized while the program runs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.registry import register
from converters.targets.coreml.evaluator.tensor_types import DTYPES
from mobilevit_edge.errors import ConversionError


@register("constexpr_affine_dequantize")
def constexpr_affine_dequantize(
    quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: int
) -> Tensor:
    """``scale · (data - zero_point)``, one of each for the whole tensor or along an axis."""
    return dequantize(quantized_data, scale, zero_point, axis)


@register("constexpr_lut_to_dense")
def constexpr_lut_to_dense(indices: Tensor, lut: Tensor, shape: list[int] | None = None) -> Tensor:
    """Values looked up in a palette.

    Until iOS 17 ``indices`` are packed bytes, ``[M]``, and ``shape`` is that of the result. From
    iOS 18 on they have a shape of their own, and the palette is ``[*groups, entries, 1]``: one for
    each group of elements.

    Raises:
        ConversionError: the palette does not fit the indices.
    """
    if shape is not None:
        return lut[_unpack(indices, lut, math.prod(shape))].reshape(shape)
    groups = lut.shape[:-2]
    divides = len(groups) == indices.dim() and not any(
        size % count for size, count in zip(indices.shape, groups, strict=True)
    )
    if not divides or lut.shape[-1] != 1:
        raise ConversionError(f"a palette {list(lut.shape)} for indices {list(indices.shape)}")
    places = []
    for axis, (size, count) in enumerate(zip(indices.shape, groups, strict=True)):
        place = [1] * indices.dim()
        place[axis] = size
        # [size] -> [1, ..., size, ..., 1]: each element's group along this axis
        places.append((torch.arange(size) // (size // count)).reshape(place))
    return lut[(*places, indices.long())].squeeze(-1)


@register("constexpr_blockwise_shift_scale")
def constexpr_blockwise_shift_scale(
    data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> Tensor:
    """``scale · (data - offset)``, one of each for every block of elements."""
    if offset is not None:
        data = data - _per_block(offset, data)
    return _per_block(scale, data) * data.float()


@register("quantize")
def quantize(
    input: Tensor,
    scale: Tensor,
    output_dtype: str,
    zero_point: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """``round(input / scale) + zero_point``, ties to even, within the type's bounds.

    Raises:
        ConversionError: the type is neither int8 nor uint8.
    """
    if output_dtype not in ("int8", "uint8"):
        raise ConversionError(f"quantization to {output_dtype!r} is not implemented")
    result = torch.round(input / _along(scale, input, axis))
    if zero_point is not None:
        result = result + _along(zero_point, input, axis)
    return result.clamp(*DTYPES[output_dtype].bounds).to(torch.int32)


@register("dequantize")
def dequantize(
    input: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """``scale · (input - zero_point)``."""
    if zero_point is not None:
        input = input - _along(zero_point, input, axis)
    return _along(scale, input, axis) * input.float()


def _along(values: Tensor, x: Tensor, axis: int | None) -> Tensor:
    """One number, or a vector laid along an axis of x."""
    if values.dim() == 0:
        return values
    if axis is None or values.dim() != 1 or values.shape[0] not in (1, x.shape[axis]):
        raise ConversionError(f"{list(values.shape)} numbers for {list(x.shape)}, axis {axis}")
    shape = [1] * x.dim()
    shape[axis] = -1
    # [n] -> [1, ..., n, ..., 1]
    return values.reshape(shape)


def _per_block(values: Tensor, x: Tensor) -> Tensor:
    """A number for each block of x as one for each element."""
    if values.dim() != x.dim() or any(
        size % blocks for size, blocks in zip(x.shape, values.shape, strict=True)
    ):
        raise ConversionError(f"{list(values.shape)} blocks of {list(x.shape)}")
    for axis, size in enumerate(x.shape):
        values = values.repeat_interleave(size // values.shape[axis], dim=axis)
    return values


def _unpack(packed: Tensor, lut: Tensor, count: int) -> Tensor:
    """Bytes as places in a palette, lowest bit first: ``[M] -> [count]``."""
    bits = (lut.numel() - 1).bit_length()
    if lut.dim() != 1 or lut.numel() != 2**bits or packed.numel() != -(-count * bits // 8):
        raise ConversionError(f"{packed.numel()} bytes as {count} places of {lut.numel()}")
    # [M] -> [M, 8] -> [count, bits]
    single = packed[:, None] >> torch.arange(8, dtype=packed.dtype) & 1
    single = single.flatten()[: count * bits].reshape(count, bits)
    return (single << torch.arange(bits, dtype=packed.dtype)).sum(1)
