"""Looking up values by computed places, sorting, and tensors made from numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.registry import Number, operator
from mobilevit_edge.errors import ConversionError

# ``validate_indices`` exists from iOS 17 on, where negative places are out of bounds; before, they
# count from the end. Out of bounds is an error here in any case: MIL leaves it undefined otherwise.


@operator("gather")
def gather(
    x: Tensor,
    indices: Tensor,
    axis: int = 0,
    batch_dims: int = 0,
    validate_indices: bool | None = None,
) -> Tensor:
    """Slices of x along an axis; the first ``batch_dims`` dimensions of both belong together."""
    axis = axis % x.dim()
    places = _places(indices, x.shape[axis], validate_indices)
    if batch_dims == 0:
        taken = x.index_select(axis, places.reshape(-1))
        # [..., count, ...] -> [..., *indices, ...]
        return taken.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))
    batch = x.shape[:batch_dims]
    if indices.shape[:batch_dims] != batch or axis < batch_dims:
        raise ConversionError(f"indices {list(indices.shape)} for {list(x.shape)}")
    # [*batch, *before, n, *after] -> [B, n, *before, *after]
    flat = x.reshape(-1, *x.shape[batch_dims:]).movedim(axis - batch_dims + 1, 1)
    rows = torch.arange(flat.shape[0], device=x.device)[:, None]
    # [B, count, *before, *after] -> [B, *before, count, *after]
    taken = flat[rows, places.reshape(flat.shape[0], -1)].movedim(1, axis - batch_dims + 1)
    own = indices.shape[batch_dims:]
    return taken.reshape((*batch, *x.shape[batch_dims:axis], *own, *x.shape[axis + 1 :]))


@operator("gather_along_axis")
def gather_along_axis(
    x: Tensor, indices: Tensor, axis: int = 0, validate_indices: bool | None = None
) -> Tensor:
    """At every place of the result, the element of x that is ``indices`` along an axis."""
    return torch.gather(x, axis, _places(indices, x.shape[axis], validate_indices))


@operator("gather_nd")
def gather_nd(
    x: Tensor, indices: Tensor, batch_dims: int = 0, validate_indices: bool | None = None
) -> Tensor:
    """Slices of x at places given by the last dimension of the indices."""
    depth = indices.shape[-1]
    batch = list(x.shape[:batch_dims])
    if list(indices.shape[:batch_dims]) != batch or depth + batch_dims > x.dim():
        raise ConversionError(f"indices {list(indices.shape)} for {list(x.shape)}")
    # [*batch, *own, depth] -> [B, count, depth]
    flat = indices.reshape(math.prod(batch), -1, depth)
    # [*batch, ...] -> [B, ...]
    rows = x.reshape(math.prod(batch), *x.shape[batch_dims:])
    places = [
        _places(flat[..., i], x.shape[batch_dims + i], validate_indices) for i in range(depth)
    ]
    taken = rows[(torch.arange(rows.shape[0], device=x.device)[:, None], *places)]
    return taken.reshape((*indices.shape[:-1], *x.shape[batch_dims + depth :]))


@operator("topk", bounds_itself=True)
def topk(
    x: Tensor,
    k: int = 1,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,
    return_indices: bool = True,
    output_indices_dtype: str = "int32",
) -> tuple[Tensor, ...]:
    """The k largest along an axis, or the smallest, and their places."""
    if output_indices_dtype not in ("int32", "uint16"):
        raise ConversionError(f"indices cannot be of type {output_indices_dtype!r}")
    values, places = torch.topk(x, k, axis, largest=not ascending, sorted=True)
    return (values, places) if return_indices else (values,)


@operator("argsort")
def argsort(x: Tensor, axis: int = -1, ascending: bool = False) -> Tensor:
    """Places in the order of the values."""
    return torch.argsort(x, dim=axis, descending=not ascending, stable=True)


@operator("one_hot")
def one_hot(
    indices: Tensor,
    one_hot_vector_size: int,
    axis: int = -1,
    on_value: Tensor | None = None,
    off_value: Tensor | None = None,
) -> Tensor:
    """A new axis that is ``on_value`` at the index and ``off_value`` elsewhere."""
    axis = axis % (indices.dim() + 1)
    shape = [1] * (indices.dim() + 1)
    shape[axis] = one_hot_vector_size
    # [size] -> [1, ..., size, ..., 1]
    places = torch.arange(one_hot_vector_size, device=indices.device).reshape(shape)
    on = torch.ones((), dtype=torch.int32, device=indices.device) if on_value is None else on_value
    off = torch.zeros_like(on) if off_value is None else off_value
    return torch.where(indices.unsqueeze(axis) == places, on, off)


@operator("shape")
def shape(x: Tensor) -> Tensor:
    """The sizes of x."""
    return torch.tensor(list(x.shape), dtype=torch.int32)


@operator("fill")
def fill(shape: list[int], value: Tensor | None = None) -> Tensor:
    """One number everywhere."""
    if value is None:
        return torch.zeros(shape)
    return value.reshape(()).expand(shape).contiguous()


@operator("fill_like")
def fill_like(ref_tensor: Tensor, value: Tensor | None = None) -> Tensor:
    """One number everywhere, in the shape of another tensor."""
    return fill(list(ref_tensor.shape), value)


@operator("range_1d")
def range_1d(end: Number, start: Number, step: Number) -> Tensor:
    """Numbers from ``start`` on, before ``end``."""
    numbers = (start, end, step)
    dtype = torch.int32 if all(isinstance(n, int) for n in numbers) else torch.float32
    return torch.arange(start, end, step, dtype=dtype)


@operator("band_part")
def band_part(x: Tensor, lower: int = -1, upper: int = -1) -> Tensor:
    """Zero outside a band of diagonals; -1 keeps all on a side."""
    if upper >= 0:
        x = x.tril(upper)
    return x.triu(-lower) if lower >= 0 else x


def _places(indices: Tensor, size: int, validate_indices: bool | None) -> Tensor:
    if validate_indices is None:
        indices = torch.where(indices < 0, indices + size, indices)
    else:
        # Torch would count some of them from the end.
        indices = torch.where(indices < 0, size, indices)
    return indices.long()
