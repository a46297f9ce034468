"""Activation functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from converters.targets.coreml.evaluator.registry import operator
from mobilevit_edge.errors import ConversionError


@operator("silu")
def silu(x: Tensor) -> Tensor:
    """``x · sigmoid(x)``."""
    return F.silu(x)


@operator("sigmoid")
def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return torch.sigmoid(x)


@operator("sigmoid_hard")
def sigmoid_hard(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``alpha · x + beta``, at least 0 and at most 1."""
    return (alpha * x + beta).clamp(0, 1)


@operator("relu")
def relu(x: Tensor) -> Tensor:
    """``x``, at least 0."""
    return x.clamp_min(0)


@operator("relu6")
def relu6(x: Tensor) -> Tensor:
    """``x``, at least 0 and at most 6."""
    return x.clamp(0, 6)


@operator("leaky_relu")
def leaky_relu(x: Tensor, alpha: float) -> Tensor:
    """``x`` where positive, alpha · x elsewhere."""
    return F.leaky_relu(x, alpha)


@operator("prelu")
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """``x`` where positive, elsewhere alpha · x; one alpha a channel, the second dimension."""
    return F.prelu(x, alpha)


@operator("elu")
def elu(x: Tensor, alpha: float) -> Tensor:
    """``x`` where positive, alpha · (exp(x) - 1) elsewhere."""
    return F.elu(x, alpha)


@operator("gelu")
def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """``x · Φ(x)``, or one of two approximations.

    Raises:
        ConversionError: an unknown mode.
    """
    if mode == "EXACT":
        return F.gelu(x)
    if mode == "TANH_APPROXIMATION":
        return F.gelu(x, approximate="tanh")
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    raise ConversionError(f"the mode {mode!r} is unknown")


@operator("tanh")
def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return x.tanh()


@operator("scaled_tanh")
def scaled_tanh(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``alpha · tanh(beta · x)``."""
    return alpha * torch.tanh(beta * x)


@operator("erf")
def erf(x: Tensor) -> Tensor:
    """The error function."""
    return torch.erf(x)


@operator("softplus")
def softplus(x: Tensor) -> Tensor:
    """``ln(1 + exp(x))``."""
    return torch.logaddexp(x, torch.zeros_like(x))


@operator("softsign")
def softsign(x: Tensor) -> Tensor:
    """``x / (1 + |x|)``."""
    return x / (1 + x.abs())


@operator("linear_activation")
def linear_activation(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``alpha · x + beta``."""
    return alpha * x + beta


@operator("clamped_relu")
def clamped_relu(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``x`` where positive, alpha · x elsewhere, at most beta."""
    return torch.where(x >= 0, x, alpha * x).clamp_max(beta)


@operator("softmax")
def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """exp(x) as a share of its sum along an axis."""
    return torch.softmax(x, dim=axis)
