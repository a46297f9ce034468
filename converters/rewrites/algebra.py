"""Weights of folded and composed layers, computed in float64 and rounded once.

They are rounded to the dtype of the layers they replace: a model in fp32 stays in fp32, a model in
float64 in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def make_conv(
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int = 1,
    groups: int = 1,
    dtype: torch.dtype,
) -> nn.Conv2d:
    """A convolution with these numbers, rounded to ``dtype``; an ``[out, in]`` weight is 1x1."""
    if weight.dim() == 2:
        weight = weight[:, :, None, None]
    out_channels, in_channels, height, width = weight.shape
    conv = nn.Conv2d(
        in_channels * groups,
        out_channels,
        (height, width),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=bias is not None,
    )
    _set(conv, weight, bias, dtype)
    return conv


def make_linear(weight: Tensor, bias: Tensor | None, *, dtype: torch.dtype) -> nn.Linear:
    """A linear layer with these numbers, rounded to ``dtype``; ``weight`` is ``[out, in]``."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    _set(linear, weight, bias, dtype)
    return linear


def projection_like(
    old: nn.Conv2d | nn.Linear, weight: Tensor, bias: Tensor | None
) -> nn.Conv2d | nn.Linear:
    """A 1x1 projection of the kind and dtype of ``old``, with an ``[out, in]`` weight."""
    make = make_conv if isinstance(old, nn.Conv2d) else make_linear
    return make(weight, bias, dtype=old.weight.dtype)


def _set(
    layer: nn.Conv2d | nn.Linear, weight: Tensor, bias: Tensor | None, dtype: torch.dtype
) -> None:
    layer.weight = nn.Parameter(weight.detach().to(dtype).contiguous(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().to(dtype).contiguous(), requires_grad=False)


def matrix_of(layer: nn.Conv2d | nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight ``[out, in]`` and bias ``[out]`` (zeros if none) of a 1x1 projection, in float64."""
    weight = layer.weight.detach().double().flatten(1)
    bias = layer.bias
    zeros = torch.zeros(weight.shape[0], dtype=torch.float64)
    return weight, zeros if bias is None else bias.detach().double()


def fold_batch_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """``norm(conv(x))`` as one convolution.

    With s = gamma / sqrt(var + eps): s * (W x + b - mean) + beta = (s W) x + (s (b - mean) + beta).
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    shift = -norm.running_mean.double()
    if conv.bias is not None:
        shift = shift + conv.bias.double()
    return make_conv(
        conv.weight.double() * scale[:, None, None, None],
        norm.bias.double() + scale * shift,
        stride=conv.stride[0],
        padding=(int(conv.padding[0]), int(conv.padding[1])),
        dilation=conv.dilation[0],
        groups=conv.groups,
        dtype=conv.weight.dtype,
    )


def fold_affine(
    norm: nn.LayerNorm | nn.GroupNorm, layer: nn.Conv2d | nn.Linear, columns: slice = slice(None)
) -> nn.Conv2d | nn.Linear:
    """``layer(norm(x))`` with the norm's scale and shift inside the projection.

    W (g * x + s) + b = (W diag g) x + (W s + b). ``columns`` are the input channels of ``layer``
    that come from the norm.
    """
    weight, bias = matrix_of(layer)
    weight = weight.clone()
    bias = bias + weight[:, columns] @ norm.bias.double()
    weight[:, columns] *= norm.weight.double()
    return projection_like(layer, weight, bias)


def center_outputs(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """The projection less its mean over output channels: ``(I - 11'/d) (W x + b)``."""
    weight, bias = matrix_of(layer)
    weight = weight - weight.mean(0, keepdim=True)
    return projection_like(layer, weight, None if layer.bias is None else bias - bias.mean())


def compose(first: nn.Conv2d, second: nn.Conv2d) -> nn.Conv2d:
    """``second(first(x))`` of two 1x1 convolutions: W2 (W1 x + b1) + b2."""
    (w1, b1), (w2, b2) = matrix_of(first), matrix_of(second)
    return make_conv(w2 @ w1, w2 @ b1 + b2, dtype=second.weight.dtype)
