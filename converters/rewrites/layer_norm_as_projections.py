"""LayerNorm over channels becomes a projection, on a residual stream of zero mean.

Every reader of the stream of tokens is a layer norm, which subtracts the mean over channels. So all
writers to it (the entrance, attention's output, the feed-forward's) are centered in their weights,
(I - 11'/d)(W x + b): the mean is zero by construction, at no cost. What is left of the norm is
x / sqrt(mean(x^2) + eps), whose mean is a linear layer with the weights 1/d and the bias eps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.algebra import center_outputs, make_linear
from converters.rewrites.base import Context, RefusedError, Rewrite, parts_of, swap
from converters.rewrites.token_layout import PixelTokenBlock
from mobilevit_edge.models.blocks import TokenTransformerLayer
from mobilevit_edge.models.network import MobileViT


class CenteredNorm(nn.Module):
    """LayerNorm without scale and shift, of tokens with zero mean. ``[B, N, d] -> same``."""

    def __init__(self, dim: int, eps: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.mean = _mean_of_channels(dim, dtype, eps)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(self.mean(x * x))


def _mean_of_channels(dim: int, dtype: torch.dtype, eps: float | None = None) -> nn.Linear:
    """The mean over channels, plus ``eps``. ``[B, N, d] -> [B, N, 1]``."""
    weight = torch.full((1, dim), 1 / dim, dtype=torch.float64)
    bias = None if eps is None else torch.full((1,), eps, dtype=torch.float64)
    return make_linear(weight, bias, dtype=dtype)


def _rewrite_layer(layer: TokenTransformerLayer) -> None:
    layer.attention.out = center_outputs(layer.attention.out)  # type: ignore[arg-type]
    layer.ffn_out = center_outputs(layer.ffn_out)  # type: ignore[assignment]
    for name in ("attention_norm", "ffn_norm"):
        norm = layer.get_submodule(name)
        assert isinstance(norm, nn.LayerNorm)
        dim, dtype = norm.normalized_shape[0], layer.ffn_in.weight.dtype
        swap(layer, name, CenteredNorm(dim, norm.eps, dtype))


def _apply(model: MobileViT, context: Context) -> int:
    blocks = [block for _, block in parts_of(model, PixelTokenBlock)]
    sites = 0
    for block in blocks:
        if block.norm.elementwise_affine:
            raise RefusedError("a layer norm has scale and shift")
    for block in blocks:
        dtype = block.exit.weight.dtype
        if block.fuses_local:
            # The fusion reads the local features with their mean, so only the tokens are centered.
            block.center = _mean_of_channels(block.spec.dim, dtype)
        else:
            block.enter = center_outputs(block.enter)
        for _, layer in parts_of(block, TokenTransformerLayer):
            _rewrite_layer(layer)
            sites += 2
        swap(block, "norm", CenteredNorm(block.spec.dim, block.norm.eps, dtype))
        sites += 1
    return sites


REWRITE = Rewrite(
    name="layer_norm_as_projections",
    identity="norm(x) = x / sqrt((1/d) 1'x^2 + eps) where every writer of x is centered",
    requires=("norm_affine_fold", "token_layout"),
    apply=_apply,
)
