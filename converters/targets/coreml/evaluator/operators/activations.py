"""Activation functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from converters.targets.coreml.evaluator.registry import register


@register("silu")
def silu(x: Tensor) -> Tensor:
    """``x · sigmoid(x)``."""
    return F.silu(x)


@register("sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return torch.sigmoid(x)


@register("relu")
def relu(x: Tensor) -> Tensor:
    """``x``, at least 0."""
    return x.clamp_min(0)


@register("relu6")
def relu6(x: Tensor) -> Tensor:
    """``x``, at least 0 and at most 6."""
    return x.clamp(0, 6)


@register("tanh")
def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return x.tanh()


@register("softmax")
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """exp(x) as a share of its sum along an axis."""
    return torch.softmax(x, dim=axis)
