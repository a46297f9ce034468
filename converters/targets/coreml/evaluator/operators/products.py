"""Matrix products."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from converters.targets.coreml.evaluator.registry import register


@register("linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x · weightᵀ + bias``."""
    return F.linear(x, weight, bias)


@register("matmul")
def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """``x · y`` over the last two dimensions; the flags do not concern vectors."""
    if transpose_x and x.dim() > 1:
        x = x.transpose(-2, -1)
    if transpose_y and y.dim() > 1:
        y = y.transpose(-2, -1)
    return x @ y
