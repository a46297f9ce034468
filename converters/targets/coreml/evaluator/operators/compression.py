"""Compressed constants, and values quantized while the program runs."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.blob import unpack_bits
from converters.targets.coreml.evaluator.registry import check_elements, operator
from converters.targets.coreml.evaluator.types import DTYPES
from mobilevit_edge.errors import ConversionError

_MOST_BITS: Final = 8
"""Of an index into a palette."""


@operator("constexpr_affine_dequantize")
def constexpr_affine_dequantize(
    quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: int
) -> Tensor:
    """``scale · (data - zero_point)``, one of each for the whole tensor or along an axis."""
    offset = _along(zero_point, quantized_data, axis)
    return _along(scale, quantized_data, axis) * (quantized_data - offset).float()


@operator("constexpr_cast")
def constexpr_cast(source_val: Tensor, output_dtype: str) -> Tensor:
    """fp16 data as fp32.

    Raises:
        ConversionError: another type is asked for.
    """
    if output_dtype != "fp32":
        raise ConversionError(f"a cast to {output_dtype!r}")
    return source_val


@operator("constexpr_lut_to_dense", bounds_itself=True)
def constexpr_lut_to_dense(
    indices: Tensor, lut: Tensor, shape: list[int] | None = None, vector_axis: int | None = None
) -> Tensor:
    """Values looked up in a palette.

    Until iOS 17 ``indices`` are packed bytes, ``[M]``, and ``shape`` is that of the result. From
    iOS 18 on they have a shape of their own, and the palette is ``[*groups, entries, vector]``: a
    palette for each group of elements, each entry a vector laid along ``vector_axis``.
    """
    if shape is None:
        return _look_up(indices, lut, vector_axis)
    bits = _log2(lut.shape[0])
    count = math.prod(shape)
    check_elements(count * bits)
    if lut.dim() != 1 or indices.numel() != -(-count * bits // 8):
        raise ConversionError(f"{indices.numel()} bytes are not {shape} indices of {bits} bits")
    places = _unpack(indices, bits, count)
    return lut.index_select(0, places).reshape(shape)


@operator("constexpr_sparse_to_dense", bounds_itself=True)
def constexpr_sparse_to_dense(
    nonzero_data: Tensor, mask: Tensor, shape: list[int] | None = None
) -> Tensor:
    """Values where the mask is set, zeros elsewhere.

    Until iOS 17 ``mask`` is packed bytes, ``[M]``, and ``shape`` is that of the result.
    """
    if shape is not None:
        count = math.prod(shape)
        check_elements(count)
        if mask.numel() != -(-count // 8):
            raise ConversionError(f"{mask.numel()} bytes are not a mask of {shape}")
        mask = _unpack(mask, 1, count).reshape(shape)
    return _spread(nonzero_data, mask)


@operator("constexpr_blockwise_shift_scale")
def constexpr_blockwise_shift_scale(
    data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> Tensor:
    """``scale · (data - offset)``, one of each for every block of elements."""
    if offset is not None:
        data = data - _per_block(offset, list(data.shape))
    return _per_block(scale, list(data.shape)) * data.float()


@operator("constexpr_lut_to_sparse", bounds_itself=True)
def constexpr_lut_to_sparse(
    indices_mask: Tensor,
    indices_nonzero_data: Tensor,
    lut: Tensor,
    vector_axis: int | None = None,
) -> tuple[Tensor, Tensor]:
    """A mask and the values where it is set, looked up in a palette."""
    dense = _look_up(_spread(indices_nonzero_data, indices_mask), lut, vector_axis)
    mask = indices_mask
    if lut.shape[-1] > 1 and vector_axis is not None:
        mask = mask.repeat_interleave(lut.shape[-1], dim=vector_axis)
    return mask, dense[mask.bool()]


@operator("constexpr_sparse_blockwise_shift_scale", bounds_itself=True)
def constexpr_sparse_blockwise_shift_scale(
    data_mask: Tensor, nonzero_data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """A mask and the values where it is set, scaled as the dense ones would be."""
    dense = constexpr_blockwise_shift_scale(_spread(nonzero_data, data_mask), scale, offset)
    return data_mask, dense[data_mask.bool()]


@operator("quantize")
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
        raise ConversionError(f"quantization to {output_dtype!r}")
    result = torch.round(input / _along(scale, input, axis))
    if zero_point is not None:
        result = result + _along(zero_point, input, axis)
    return result.clamp(*DTYPES[output_dtype].bounds).to(torch.int32)


@operator("dequantize")
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


def _per_block(values: Tensor, shape: list[int]) -> Tensor:
    """A number for each block as one for each element."""
    if values.dim() != len(shape) or any(
        size % blocks for size, blocks in zip(shape, values.shape, strict=True)
    ):
        raise ConversionError(f"{list(values.shape)} blocks of {shape}")
    for axis, size in enumerate(shape):
        if 1 < values.shape[axis] < size:
            values = values.repeat_interleave(size // values.shape[axis], dim=axis)
    return values


def _look_up(indices: Tensor, lut: Tensor, vector_axis: int | None) -> Tensor:
    *groups, entries, vector = lut.shape
    _log2(entries)
    check_elements(indices.numel() * vector)
    if vector > 1 and vector_axis is None:
        raise ConversionError("a palette of vectors without the axis to lay them along")
    if len(groups) != indices.dim() or any(
        size % count for size, count in zip(indices.shape, groups, strict=True)
    ):
        raise ConversionError(f"a palette {list(lut.shape)} for indices {list(indices.shape)}")
    own = []
    for axis, (size, count) in enumerate(zip(indices.shape, groups, strict=True)):
        shape = [1] * indices.dim()
        shape[axis] = size
        # [size] -> [1, ..., size, ..., 1]: each element's group along this axis
        own.append((torch.arange(size) // (size // count)).reshape(shape))
    found = lut[(*own, indices.long())]  # [*indices, vector]
    if vector == 1:
        return found.squeeze(-1)
    axis = (vector_axis or 0) % indices.dim()
    # [..., n, ..., vector] -> [..., n, vector, ...] -> [..., n * vector, ...]
    return found.movedim(-1, axis + 1).flatten(axis, axis + 1)


def _spread(values: Tensor, mask: Tensor) -> Tensor:
    places = mask.bool()
    if int(places.sum()) != values.numel():
        raise ConversionError(f"{values.numel()} values for {int(places.sum())} places")
    dense = torch.zeros(mask.shape, dtype=values.dtype)
    dense[places] = values
    return dense


def _unpack(packed: Tensor, bits: int, count: int) -> Tensor:
    """Bytes as elements of fewer bits, lowest bit first: ``[M] -> [count]``."""
    dtype = DTYPES[f"uint{bits}"]
    unpacked = unpack_bits(packed.to(torch.uint8).numpy(), dtype, count)
    return torch.from_numpy(unpacked).to(dtype.compute)


def _log2(entries: int) -> int:
    bits = entries.bit_length() - 1
    if entries != 2**bits or f"uint{bits}" not in DTYPES or bits > _MOST_BITS:
        raise ConversionError(f"a palette of {entries} entries")
    return bits
