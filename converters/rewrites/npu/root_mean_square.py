"""Layer norms become root-mean-square norms, on a residual stream of zero mean.

Every reader of the stream of tokens is a layer norm, which subtracts the mean over channels. So all
writers to it (the entrance, attention's output, the feed-forward's) are centered in their weights,
(I - 11'/d)(W x + b): the mean is zero by construction, at no cost. What is left of the norm is
x / sqrt(mean(x^2) + eps). Its compiler knows that by the weight of ones behind it, and without that
weight computes it seventeen times slower. Where the fusion reads the local features as they are
(V3), a convolution of its own centers the stream's copy: (I - 11'/d) x.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.algebra import center_outputs, make_conv
from converters.rewrites.base import Context, RefusedError, Rewrite, parts_of, swap
from converters.rewrites.npu.band_layout import BandAttention
from converters.rewrites.npu.pixels import PixelConv
from mobilevit_edge.models.blocks import TokenBlock, TokenTransformerLayer
from mobilevit_edge.models.network import MobileViT


class RootMeanSquareNorm(nn.Module):
    """LayerNorm without scale and shift, of tokens with zero mean. ``[..., d] -> same``."""

    ones: Tensor

    def __init__(self, dim: int, eps: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("ones", torch.ones(dim, dtype=dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.ones


def _center_layer(layer: TokenTransformerLayer) -> None:
    assert isinstance(layer.attention, BandAttention)
    assert isinstance(layer.ffn_out, PixelConv)
    out = layer.attention.attention.get_submodule("out")
    assert isinstance(out, nn.Linear)
    swap(layer.attention.attention, "out", center_outputs(out))
    swap(layer.ffn_out, "conv", center_outputs(layer.ffn_out.conv))


def _center_entrance(block: TokenBlock) -> None:
    assert block.spec.fusion is not None
    pointwise = block.local.pointwise
    if block.spec.fusion.features == "local":
        d = block.spec.dim
        center = torch.eye(d, dtype=torch.float64) - 1 / d
        conv = make_conv(center, None, dtype=pointwise.weight.dtype)
        swap(block, "unfold", nn.Sequential(conv, block.unfold))
    else:
        swap(block.local, "pointwise", center_outputs(pointwise))


def _apply(model: MobileViT, context: Context) -> int:
    blocks = parts_of(model, TokenBlock)
    norms = [(name, norm) for _, block in blocks for name, norm in parts_of(block, nn.LayerNorm)]
    for name, norm in norms:
        if norm.elementwise_affine:
            raise RefusedError(f"{name} has scale and shift")
    for _, block in blocks:
        dtype = block.projection.conv.weight.dtype
        for name, norm in parts_of(block, nn.LayerNorm):
            swap(block, name, RootMeanSquareNorm(norm.normalized_shape[0], norm.eps, dtype))
        _center_entrance(block)
        for _, layer in parts_of(block, TokenTransformerLayer):
            _center_layer(layer)
    return len(norms)


REWRITE = Rewrite(
    name="root_mean_square",
    identity="norm(x) = x / sqrt(mean(x^2) + eps) where every writer of x is centered",
    requires=("norm_affine_fold", "band_layout"),
    apply=_apply,
)
