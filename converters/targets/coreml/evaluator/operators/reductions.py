"""Reductions: over all dimensions unless some are named, which disappear unless kept."""

from __future__ import annotations

from torch import Tensor

from converters.targets.coreml.evaluator.registry import register
from mobilevit_edge.errors import ConversionError


@register("reduce_sum")
def reduce_sum(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """Σx."""
    return x.sum(_axes(x, axes), keepdim=keep_dims)


@register("reduce_mean")
def reduce_mean(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """The mean."""
    return x.mean(_axes(x, axes), keepdim=keep_dims)


@register("reduce_max")
def reduce_max(x: Tensor, axes: list[int] | None = None, keep_dims: bool = False) -> Tensor:
    """The largest."""
    return x.amax(_axes(x, axes), keepdim=keep_dims)


@register("reduce_argmax")
def reduce_argmax(
    x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32"
) -> Tensor:
    """Where the largest is along an axis, the first of equals.

    Raises:
        ConversionError: places are to be of a type that MIL does not have for them.
    """
    if output_dtype not in ("int32", "uint16"):
        raise ConversionError(f"indices cannot be of type {output_dtype!r}")
    return x.argmax(axis, keepdim=keep_dims)


def _axes(x: Tensor, axes: list[int] | None) -> list[int]:
    return list(range(x.dim())) if axes is None else axes
