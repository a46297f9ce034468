"""Operators that move, repeat or cut values without computing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from converters.targets.coreml.evaluator.registry import operator
from mobilevit_edge.errors import ConversionError


@operator("reshape")
def reshape(x: Tensor, shape: list[int]) -> Tensor:
    """The same values in another shape: -1 is whatever remains, 0 keeps the size at its place.

    Raises:
        ConversionError: 0 without a size at its place.
    """
    if 0 in shape and len(shape) != x.dim():
        raise ConversionError(f"0 in the shape {shape} for a tensor of rank {x.dim()}")
    return x.reshape([size or x.shape[axis] for axis, size in enumerate(shape)])


@operator("transpose")
def transpose(x: Tensor, perm: list[int]) -> Tensor:
    """Dimensions in another order."""
    return x.permute(perm)


@operator("expand_dims")
def expand_dims(x: Tensor, axes: list[int]) -> Tensor:
    """With dimensions of one element; ``axes`` are their places in the result."""
    rank = x.dim() + len(axes)
    for axis in sorted(axis + rank if axis < 0 else axis for axis in axes):
        x = x.unsqueeze(axis)
    return x


@operator("squeeze")
def squeeze(x: Tensor, axes: list[int] | None = None) -> Tensor:
    """Without dimensions of one element; others named in ``axes`` stay."""
    return x.squeeze() if axes is None else x.squeeze(axes)


@operator("flatten2d")
def flatten2d(x: Tensor, axis: int = 1) -> Tensor:
    """Dimensions before an axis as one, those from it on as the other."""
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("concat")
def concat(values: list[Tensor], axis: int, interleave: bool = False) -> Tensor:
    """One after the other along an axis, or element by element in turn."""
    if not interleave:
        return torch.cat([v.reshape(1) if v.dim() == 0 else v for v in values], axis)
    # [..., n, k, ...] -> [..., n * k, ...] with k values
    axis = axis % values[0].dim()
    return torch.stack(values, axis + 1).flatten(axis, axis + 1)


@operator("stack")
def stack(values: list[Tensor], axis: int) -> Tensor:
    """Along a new axis."""
    return torch.stack(values, axis)


@operator("split")
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


@operator("tile")
def tile(x: Tensor, reps: list[int]) -> Tensor:
    """Repeated along every dimension.

    Raises:
        ConversionError: not one count for each dimension.
    """
    if len(reps) != x.dim():
        raise ConversionError(f"{len(reps)} counts for a tensor of rank {x.dim()}")
    return x.repeat(reps)


@operator("reverse")
def reverse(x: Tensor, axes: list[int] | None = None) -> Tensor:
    """Backwards along some dimensions, or all."""
    return x.flip(list(range(x.dim())) if axes is None else axes)


@operator("pad")
def pad(x: Tensor, pad: list[int], mode: str = "constant", constant_val: float = 0.0) -> Tensor:
    """Longer at both ends of the last dimensions, given as before and after for each.

    Raises:
        ConversionError: an unknown mode, or amounts that do not fit it.
    """
    if len(pad) % 2 or len(pad) > 2 * x.dim() or min(pad, default=0) < 0:
        raise ConversionError(f"the padding {pad} of a tensor of rank {x.dim()}")
    pairs = list(zip(pad[::2], pad[1::2], strict=True))
    if mode == "constant":
        backwards = [amount for pair in reversed(pairs) for amount in pair]
        return F.pad(x, backwards, value=constant_val)
    for axis, (before, after) in zip(range(-len(pairs), 0), pairs, strict=True):
        index = torch.arange(-before, x.shape[axis] + after, device=x.device)
        last = x.shape[axis] - 1
        if mode == "replicate":
            index = index.clamp(0, last)
        elif mode == "reflect" and max(before, after) <= last:
            index = last - (last - index.abs()).abs()
        else:
            raise ConversionError(f"the padding {pad} in the mode {mode!r}")
        x = x.index_select(axis, index)
    return x


@operator("slice_by_index")
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
    """
    ranges = _ranges(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    for axis, indices in enumerate(ranges):
        if indices.step > 0:
            length = indices[-1] + 1 - indices[0] if indices else 0
            x = x.narrow(axis, indices.start if indices else 0, length)
            x = x[(slice(None),) * axis + (slice(None, None, indices.step),)]
        else:  # torch has no negative steps
            x = x.index_select(axis, torch.tensor(indices, dtype=torch.int64, device=x.device))
    return _squeeze_masked(x, squeeze_mask)


@operator("slice_update")
def slice_update(
    x: Tensor,
    update: Tensor,
    begin: list[int],
    end: list[int],
    stride: list[int] | None = None,
    begin_mask: list[bool] | None = None,
    end_mask: list[bool] | None = None,
    squeeze_mask: list[bool] | None = None,
) -> Tensor:
    """``x`` with the part that ``slice_by_index`` would give replaced."""
    ranges = _ranges(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    shape = [len(indices) for indices in ranges]
    grids = torch.meshgrid(
        *(torch.tensor(indices, dtype=torch.int64, device=x.device) for indices in ranges),
        indexing="ij",
    )
    return x.index_put(grids, update.reshape(shape))


@operator("slice_by_size")
def slice_by_size(x: Tensor, begin: list[int], size: list[int]) -> Tensor:
    """``size`` elements from ``begin`` on in every dimension; -1 takes all that follow."""
    for axis, (start, count) in enumerate(zip(begin, size, strict=True)):
        start = start + x.shape[axis] if start < 0 else start
        x = x.narrow(axis, start, x.shape[axis] - start if count == -1 else count)
    return x


@operator("pixel_shuffle")
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """``[N, C·f², H, W] -> [N, C, H·f, W·f]``, the place within f x f being C's minor part."""
    return F.pixel_shuffle(x, upscale_factor)


@operator("pixel_unshuffle")
def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """``[N, C, H·f, W·f] -> [N, C·f², H, W]``, the place within f x f being C's minor part."""
    return F.pixel_unshuffle(x, downscale_factor)


@operator("depth_to_space")
def depth_to_space(x: Tensor, block_size: int) -> Tensor:
    """``[N, C·b², H, W] -> [N, C, H·b, W·b]``, the place within b x b being C's major part."""
    n, c, h, w = x.shape
    b = block_size
    # [N, b, b, C, H, W] -> [N, C, H, b, W, b]
    blocks = x.reshape(n, b, b, c // (b * b), h, w).permute(0, 3, 4, 1, 5, 2)
    return blocks.reshape(n, c // (b * b), h * b, w * b)


@operator("space_to_depth")
def space_to_depth(x: Tensor, block_size: int) -> Tensor:
    """``[N, C, H·b, W·b] -> [N, C·b², H, W]``, the place within b x b being C's major part."""
    n, c, h, w = x.shape
    b = block_size
    # [N, C, H, b, W, b] -> [N, b, b, C, H, W]
    blocks = x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4)
    return blocks.reshape(n, c * b * b, h // b, w // b)


def _ranges(
    x: Tensor,
    begin: Sequence[int],
    end: Sequence[int],
    stride: Sequence[int] | None,
    begin_mask: Sequence[bool] | None,
    end_mask: Sequence[bool] | None,
    squeeze_mask: Sequence[bool] | None,
) -> list[range]:
    """Which elements of each dimension a slice takes."""
    rank = x.dim()
    no = [False] * rank
    given = (begin, end, stride or [1] * rank, begin_mask or no, end_mask or no, squeeze_mask or no)
    ranges = []
    for size, first, last, step, from_start, to_end, one in zip(x.shape, *given, strict=True):
        start = None if from_start else first
        if one:
            index = range(size)[start or 0]
            ranges.append(range(index, index + 1))
        else:
            ranges.append(range(size)[slice(start, None if to_end else last, step)])
    return ranges


def _squeeze_masked(x: Tensor, squeeze_mask: Sequence[bool] | None) -> Tensor:
    return x.squeeze([axis for axis, one in enumerate(squeeze_mask or ()) if one])
