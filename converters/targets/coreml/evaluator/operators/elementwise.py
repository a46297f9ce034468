"""Arithmetic, one number at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.registry import register
from converters.targets.coreml.evaluator.tensor_types import DTYPES
from mobilevit_edge.errors import ConversionError


@register("add")
def add(x: Tensor, y: Tensor) -> Tensor:
    """``x + y``."""
    return x + y


@register("sub")
def sub(x: Tensor, y: Tensor) -> Tensor:
    """``x - y``."""
    return x - y


@register("mul")
def mul(x: Tensor, y: Tensor) -> Tensor:
    """``x · y``."""
    return x * y


@register("real_div")
def real_div(x: Tensor, y: Tensor) -> Tensor:
    """``x / y``."""
    return torch.true_divide(x, y)


@register("floor_div")
def floor_div(x: Tensor, y: Tensor) -> Tensor:
    """``x / y``, rounded down."""
    return torch.div(x, y, rounding_mode="floor")


@register("pow")
def power(x: Tensor, y: Tensor) -> Tensor:
    """``x`` to the power of ``y``."""
    return torch.pow(x, y)


@register("maximum")
def maximum(x: Tensor, y: Tensor) -> Tensor:
    """The larger of both."""
    return torch.maximum(x, y)


@register("minimum")
def minimum(x: Tensor, y: Tensor) -> Tensor:
    """The smaller of both."""
    return torch.minimum(x, y)


@register("square")
def square(x: Tensor) -> Tensor:
    """x²."""
    return x * x


@register("sqrt")
def sqrt(x: Tensor) -> Tensor:
    """√x."""
    return x.sqrt()


@register("rsqrt")
def rsqrt(x: Tensor, epsilon: float) -> Tensor:
    """``1 / √(x + epsilon)``; MIL's default depends on x's type, and coremltools writes it."""
    return torch.rsqrt(x + epsilon)


@register("exp")
def exp(x: Tensor) -> Tensor:
    """``exp(x)``."""
    return x.exp()


@register("clip")
def clip(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``x``, at least alpha and at most beta."""
    return x.clamp(alpha, beta)


@register("cast")
def cast(x: Tensor, dtype: str) -> Tensor:
    """``x`` in another type, its fraction cut off where the type has none.

    Raises:
        ConversionError: the type is unknown, or not a number's.
    """
    if dtype not in DTYPES or dtype == "bool":
        raise ConversionError(f"a cast to {dtype!r} is not implemented")
    if DTYPES[dtype].is_float:
        return x.float()
    # Whoever rounds this to the declared type sees a number that does not fit.
    return x.to(torch.int64)
