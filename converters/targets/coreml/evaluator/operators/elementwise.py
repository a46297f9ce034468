"""Arithmetic, comparisons and logic, one number at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.registry import operator
from converters.targets.coreml.evaluator.types import DTYPES
from mobilevit_edge.errors import ConversionError


@operator("identity")
def identity(x: Tensor) -> Tensor:
    """``x``."""
    return x


@operator("add")
def add(x: Tensor, y: Tensor) -> Tensor:
    """``x + y``."""
    return x + y


@operator("sub")
def sub(x: Tensor, y: Tensor) -> Tensor:
    """``x - y``."""
    return x - y


@operator("mul")
def mul(x: Tensor, y: Tensor) -> Tensor:
    """``x · y``."""
    return x * y


@operator("real_div")
def real_div(x: Tensor, y: Tensor) -> Tensor:
    """``x / y``."""
    return torch.true_divide(x, y)


@operator("floor_div")
def floor_div(x: Tensor, y: Tensor) -> Tensor:
    """``x / y``, rounded down."""
    return torch.div(x, y, rounding_mode="floor")


@operator("mod")
def mod(x: Tensor, y: Tensor) -> Tensor:
    """What division leaves, with y's sign."""
    return torch.remainder(x, y)


@operator("pow")
def power(x: Tensor, y: Tensor) -> Tensor:
    """``x`` to the power of ``y``."""
    return torch.pow(x, y)


@operator("maximum")
def maximum(x: Tensor, y: Tensor) -> Tensor:
    """The larger of both."""
    return torch.maximum(x, y)


@operator("minimum")
def minimum(x: Tensor, y: Tensor) -> Tensor:
    """The smaller of both."""
    return torch.minimum(x, y)


@operator("equal")
def equal(x: Tensor, y: Tensor) -> Tensor:
    """``x = y``."""
    return torch.eq(x, y)


@operator("not_equal")
def not_equal(x: Tensor, y: Tensor) -> Tensor:
    """``x ≠ y``."""
    return torch.ne(x, y)


@operator("less")
def less(x: Tensor, y: Tensor) -> Tensor:
    """``x < y``."""
    return x < y


@operator("less_equal")
def less_equal(x: Tensor, y: Tensor) -> Tensor:
    """``x ≤ y``."""
    return x <= y


@operator("greater")
def greater(x: Tensor, y: Tensor) -> Tensor:
    """``x > y``."""
    return x > y


@operator("greater_equal")
def greater_equal(x: Tensor, y: Tensor) -> Tensor:
    """``x ≥ y``."""
    return x >= y


@operator("logical_and")
def logical_and(x: Tensor, y: Tensor) -> Tensor:
    """Both."""
    return x & y


@operator("logical_or")
def logical_or(x: Tensor, y: Tensor) -> Tensor:
    """One or both."""
    return x | y


@operator("logical_xor")
def logical_xor(x: Tensor, y: Tensor) -> Tensor:
    """One of both."""
    return x ^ y


@operator("logical_not")
def logical_not(x: Tensor) -> Tensor:
    """Not x."""
    return torch.logical_not(x)


@operator("select")
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """``a`` where the condition holds, ``b`` elsewhere."""
    return torch.where(cond, a, b)


@operator("abs")
def absolute(x: Tensor) -> Tensor:
    """|x|."""
    return x.abs()


@operator("sign")
def sign(x: Tensor) -> Tensor:
    """-1, 0 or 1."""
    return x.sign()


@operator("square")
def square(x: Tensor) -> Tensor:
    """x²."""
    return x * x


@operator("sqrt")
def sqrt(x: Tensor) -> Tensor:
    """√x."""
    return x.sqrt()


# The default epsilon of the next three depends on x's type; coremltools always writes it.


@operator("rsqrt")
def rsqrt(x: Tensor, epsilon: float) -> Tensor:
    """``1 / √(x + epsilon)``."""
    return torch.rsqrt(x + epsilon)


@operator("inverse")
def inverse(x: Tensor, epsilon: float) -> Tensor:
    """``1 / (x + epsilon)``."""
    return torch.reciprocal(x + epsilon)


@operator("log")
def log(x: Tensor, epsilon: float) -> Tensor:
    """``ln(x + epsilon)``."""
    return torch.log(x + epsilon)


@operator("exp")
def exp(x: Tensor) -> Tensor:
    """``exp(x)``."""
    return x.exp()


@operator("exp2")
def exp2(x: Tensor) -> Tensor:
    """2 to the power of x."""
    return torch.exp2(x)


@operator("sin")
def sin(x: Tensor) -> Tensor:
    """Sine of an angle in radians."""
    return x.sin()


@operator("cos")
def cos(x: Tensor) -> Tensor:
    """Cosine of an angle in radians."""
    return x.cos()


@operator("floor")
def floor(x: Tensor) -> Tensor:
    """The next integer below."""
    return x.floor()


@operator("ceil")
def ceil(x: Tensor) -> Tensor:
    """The next integer above."""
    return x.ceil()


@operator("round")
def round_half_to_even(x: Tensor) -> Tensor:
    """The nearest integer, the even one of two."""
    return x.round()


@operator("clip")
def clip(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``x``, at least alpha and at most beta."""
    return x.clamp(alpha, beta)


@operator("threshold")
def threshold(x: Tensor, alpha: Tensor) -> Tensor:
    """``x``, at least alpha."""
    return torch.maximum(x, alpha)


@operator("cast", bounds_itself=True)
def cast(x: Tensor, dtype: str) -> Tensor:
    """``x`` in another type: fractions are cut off, and everything but zero is true.

    Raises:
        ConversionError: the type is unknown, or cannot hold one of the numbers.
    """
    if dtype not in DTYPES:
        raise ConversionError(f"the type {dtype!r} is unknown")
    target = DTYPES[dtype]
    if target.is_float or dtype == "bool" or not x.is_floating_point():
        return x.to(target.compute)
    # What an integer type does with a number beyond its range is not defined.
    low, high = target.bounds
    if not bool(((x > low - 1) & (x < high + 1)).all()):
        raise ConversionError(f"a number does not fit {dtype}")
    return x.to(torch.int64)
