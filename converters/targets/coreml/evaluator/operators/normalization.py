"""Normalizations."""

from __future__ import annotations

import torch
from torch import Tensor

from converters.targets.coreml.evaluator.registry import register


@register("batch_norm")
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """``gamma · (x - mean) / √(variance + epsilon) + beta``, one of each a channel."""
    scale = torch.rsqrt(_per_channel(variance, x) + epsilon)
    return _affine((x - _per_channel(mean, x)) * scale, gamma, beta)


@register("instance_norm")
def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: float = 1e-5
) -> Tensor:
    """Normalization over the spatial dimensions, gamma and beta one a channel."""
    return _affine(_normalize(x, list(range(2, x.dim())), epsilon), gamma, beta)


@register("layer_norm")
def layer_norm(
    x: Tensor,
    axes: list[int] | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """Normalization over some dimensions, gamma and beta of their shape."""
    axes = sorted({axis % x.dim() for axis in (range(x.dim()) if axes is None else axes)})
    shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
    result = _normalize(x, axes, epsilon)
    # [sizes of the axes] -> the same with 1 for every other dimension
    if gamma is not None:
        result = result * gamma.reshape(shape)
    return result if beta is None else result + beta.reshape(shape)


def _normalize(x: Tensor, axes: list[int], epsilon: float) -> Tensor:
    centered = x - x.mean(axes, keepdim=True)
    return centered * torch.rsqrt((centered * centered).mean(axes, keepdim=True) + epsilon)


def _per_channel(values: Tensor, x: Tensor) -> Tensor:
    # [C] -> [C, 1, ...]
    return values.reshape(-1, *[1] * (x.dim() - 2))


def _affine(x: Tensor, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
    if gamma is not None:
        x = x * _per_channel(gamma, x)
    return x if beta is None else x + _per_channel(beta, x)
