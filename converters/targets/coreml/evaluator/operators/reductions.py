"""Reductions: over all dimensions unless some are named, which disappear unless kept."""

from __future__ import annotations

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.registry import operator
from mobilevit_edge.errors import ConversionError


def _axes(x: Tensor, axes: list[int] | None) -> list[int]:
    return list(range(x.dim())) if axes is None else axes


@operator("reduce_sum")
def reduce_sum(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Σx."""
    return x.sum(_axes(x, axes), keepdim=keep_dims)


@operator("reduce_mean")
def reduce_mean(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """The mean."""
    return x.mean(_axes(x, axes), keepdim=keep_dims)


@operator("reduce_max")
def reduce_max(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """The largest."""
    return x.amax(_axes(x, axes), keepdim=keep_dims)


@operator("reduce_min")
def reduce_min(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """The smallest."""
    return x.amin(_axes(x, axes), keepdim=keep_dims)


@operator("reduce_prod")
def reduce_prod(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """The product of all."""
    for axis in sorted((a % x.dim() for a in _axes(x, axes)), reverse=True):
        x = x.prod(axis, keepdim=keep_dims)
    return x


@operator("reduce_sum_square")
def reduce_sum_square(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Σx²."""
    return (x * x).sum(_axes(x, axes), keepdim=keep_dims)


@operator("reduce_l1_norm")
def reduce_l1_norm(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Σ|x|."""
    return x.abs().sum(_axes(x, axes), keepdim=keep_dims)


@operator("reduce_l2_norm")
def reduce_l2_norm(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """√Σx²."""
    return reduce_sum_square(x, axes, keep_dims).sqrt()


@operator("reduce_log_sum")
def reduce_log_sum(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """``ln Σx``."""
    return reduce_sum(x, axes, keep_dims).log()


@operator("reduce_log_sum_exp")
def reduce_log_sum_exp(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """``ln Σexp(x)``."""
    return torch.logsumexp(x, _axes(x, axes), keepdim=keep_dims)


@operator("reduce_argmax")
def reduce_argmax(
    x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32"
) -> Tensor:
    """Where the largest is along an axis, the first of equals."""
    _check_index_type(output_dtype)
    return x.argmax(axis, keepdim=keep_dims)


@operator("reduce_argmin")
def reduce_argmin(
    x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32"
) -> Tensor:
    """Where the smallest is along an axis, the first of equals."""
    _check_index_type(output_dtype)
    return x.argmin(axis, keepdim=keep_dims)


def _check_index_type(name: str) -> None:
    # The result gets its declared type from the caller, which also sees that it fits.
    if name not in ("int32", "uint16"):
        raise ConversionError(f"indices cannot be of type {name!r}")


@operator("cumsum")
def cumsum(x: Tensor, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """Running sum along an axis; ``exclusive`` leaves out the element itself."""
    if reverse:
        x = x.flip(axis)
    result = x.cumsum(axis)
    if exclusive:
        result = result - x
    return result.flip(axis) if reverse else result
