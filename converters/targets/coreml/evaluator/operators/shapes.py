"""Operators that move, join or cut values without computing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from converters.targets.coreml.evaluator.registry import register
from mobilevit_edge.errors import ConversionError


@register("reshape")
def reshape(x: Tensor, shape: list[int]) -> Tensor:
    """The same values in another shape: -1 is whatever remains, 0 keeps the size at its place.

    Raises:
        ConversionError: 0 without a size at its place.
    """
    if 0 in shape and len(shape) != x.dim():
        raise ConversionError(f"0 in the shape {shape} for a tensor of rank {x.dim()}")
    return x.reshape([size or x.shape[axis] for axis, size in enumerate(shape)])


@register("transpose")
def transpose(x: Tensor, perm: list[int]) -> Tensor:
    """Dimensions in another order."""
    return x.permute(perm)


@register("expand_dims")
def expand_dims(x: Tensor, axes: list[int]) -> Tensor:
    """With dimensions of one element; ``axes`` are their places in the result."""
    rank = x.dim() + len(axes)
    for axis in sorted(axis + rank if axis < 0 else axis for axis in axes):
        x = x.unsqueeze(axis)
    return x


@register("squeeze")
def squeeze(x: Tensor, axes: list[int] | None = None) -> Tensor:
    """Without dimensions of one element; others named in ``axes`` stay."""
    return x.squeeze() if axes is None else x.squeeze(axes)


@register("concat")
def concat(values: list[Tensor], axis: int, interleave: bool = False) -> Tensor:
    """One after the other along an axis.

    Raises:
        ConversionError: element by element in turn, which no conversion from torch writes.
    """
    if interleave:
        raise ConversionError("interleaving is not implemented")
    return torch.cat([v.reshape(1) if v.dim() == 0 else v for v in values], axis)


@register("stack")
def stack(values: list[Tensor], axis: int) -> Tensor:
    """Along a new axis."""
    return torch.stack(values, axis)


@register("split")
def split(
    x: Tensor, axis: int, num_splits: int | None = None, split_sizes: list[int] | None = None
) -> tuple[Tensor, ...]:
    """Into parts of the given sizes, or into equal parts.

    Raises:
        ConversionError: there is no such division.
    """
    if split_sizes is None:
        if not num_splits or x.shape[axis] % num_splits:
            raise ConversionError(f"{x.shape[axis]} elements in {num_splits} equal parts")
        split_sizes = [x.shape[axis] // num_splits] * num_splits
    return tuple(torch.split(x, split_sizes, axis))


@register("slice_by_index")
def slice_by_index(
    x: Tensor,
    begin: list[int],
    end: list[int],
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    """``x[begin:end:stride]`` in every dimension; a mask leaves a bound open.

    Where ``squeeze_mask`` is set, one element is taken and the dimension disappears.

    Raises:
        ConversionError: a stride is not positive; torch has no others.
    """
    ones, no = [1] * x.dim(), [False] * x.dim()
    if min(stride or ones) < 1:
        raise ConversionError(f"the strides {stride}")
    index: list[int | slice] = []
    for first, last, step, from_start, to_end, one in zip(
        begin,
        end,
        stride or ones,
        begin_mask or no,
        end_mask or no,
        squeeze_mask or no,
        strict=True,
    ):
        start = None if from_start else first
        index.append(start or 0 if one else slice(start, None if to_end else last, step))
    return x[tuple(index)]


@register("slice_by_size")
def slice_by_size(x: Tensor, begin: list[int], size: list[int]) -> Tensor:
    """``size`` elements from ``begin`` on in every dimension; -1 takes all that follow."""
    for axis, (start, count) in enumerate(zip(begin, size, strict=True)):
        start = start + x.shape[axis] if start < 0 else start
        x = x.narrow(axis, start, x.shape[axis] - start if count == -1 else count)
    return x


@register("pixel_shuffle")
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """``[N, C·f², H, W] -> [N, C, H·f, W·f]``, the place within f x f being C's minor part."""
    return F.pixel_shuffle(x, upscale_factor)
