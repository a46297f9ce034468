"""Matrix products."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from converters.targets.coreml.evaluator.registry import operator
from mobilevit_edge.errors import ConversionError


@operator("linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x · weightᵀ + bias``."""
    return F.linear(x, weight, bias)


@operator("matmul")
def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """``x · y`` over the last two dimensions; the flags do not concern vectors."""
    if transpose_x and x.dim() > 1:
        x = x.transpose(-2, -1)
    if transpose_y and y.dim() > 1:
        y = y.transpose(-2, -1)
    return x @ y


@operator("einsum")
def einsum(values: list[Tensor], equation: str) -> Tensor:
    """A product of two tensors in Einstein's notation.

    Raises:
        ConversionError: there are not two tensors of rank 3 or 4, as MIL wants them.
    """
    if len(values) != 2 or any(value.dim() not in (3, 4) for value in values):
        raise ConversionError(f"the equation {equation!r} of {len(values)} tensors")
    return torch.einsum(equation.replace(" ", ""), values)


@operator("scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
) -> Tensor:
    """softmax(query · keyᵀ / √E + mask) · value."""
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return torch.softmax(scores, -1) @ value
