"""Sizes, and values looked up by places."""

from __future__ import annotations

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.registry import register
from mobilevit_edge.errors import ConversionError


@register("shape")
def shape(x: Tensor) -> Tensor:
    """The sizes of x, which are known even where x has no data."""
    return torch.tensor(list(x.shape), dtype=torch.int32, device="cpu")


@register("gather")
def gather(
    x: Tensor,
    indices: Tensor,
    axis: int = 0,
    batch_dims: int = 0,
    validate_indices: bool | None = None,
) -> Tensor:
    """Slices of x along an axis.

    ``validate_indices`` exists from iOS 17 on, where negative places are out of bounds; before,
    they count from the end. Out of bounds is an error here: MIL leaves it undefined.

    Raises:
        ConversionError: there are batch dimensions.
    """
    if batch_dims:
        raise ConversionError("batch dimensions are not implemented")
    size = x.shape[axis]
    from_end = size if validate_indices is None else 2 * size  # the latter is out of bounds
    places = torch.where(indices < 0, indices + from_end, indices)
    taken = x.index_select(axis, places.reshape(-1))
    axis = axis % x.dim()
    # [..., count, ...] -> [..., *indices, ...]
    return taken.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))
