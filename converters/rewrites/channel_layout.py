"""Blocks of V1's line with channels first: 1x1 convolutions for projections, no transposes inside.

A transformer on tokens [B, N, d] is one on maps [B, d, h, w]: projections are 1x1 convolutions, the
layer norm a mean over axis 1, and the products of attention sum over axes that lie where they are,
softmax(q^T k) = softmax over keys of [.., e, N]^T [.., e, N] and v (scores)^T. The phases of the
2x2 patches lie on the batch axis, so that attention and projections stay in rank 4. This is how
Apple's Neural Engine wants its data: channels on the second axis, the long axis last.

The residual stream has zero mean by construction (its writers are centered, see
layer_norm_as_projections), so a layer norm is x / sqrt(mean(x^2) + eps).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from converters.rewrites.algebra import center_outputs, make_conv, matrix_of
from converters.rewrites.base import Context, RefusedError, Rewrite, parts_of, swap
from converters.rewrites.explicit_attention import ExplicitAttention
from converters.rewrites.shuffled_patches import PatchConv
from mobilevit_edge.models.blocks import TokenBlock, TokenTransformerLayer
from mobilevit_edge.models.layers import divisible_size, resize_map
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PATCH, PHASES


class ChannelNorm(nn.Module):
    """LayerNorm without scale and shift, of maps with zero mean. ``[B, d, h, w] -> same``."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt((x * x).mean(1, keepdim=True) + self.eps)


class ChannelAttention(nn.Module):
    """Multi-head attention over the positions of a map. ``[B, d, h, w] -> same``."""

    def __init__(self, attention: ExplicitAttention) -> None:
        super().__init__()
        self.query = _as_conv(attention.query)
        self.key = _as_conv(attention.key)
        self.value = _as_conv(attention.value)
        self.out = _as_conv(attention.out)
        self.heads = attention.heads

    def forward(self, x: Tensor) -> Tensor:
        b, d, h, w = x.shape
        # [B, d, h, w] -> [B, heads, e, N]
        heads = (b, self.heads, d // self.heads, h * w)
        q, k, v = (part(x).reshape(heads) for part in (self.query, self.key, self.value))
        scores = torch.softmax(q.transpose(2, 3) @ k, dim=-1)
        # [B, heads, e, N] -> [B, d, h, w]
        return self.out((v @ scores.transpose(2, 3)).reshape(b, d, h, w))  # type: ignore[no-any-return]


class ChannelTokenBlock(nn.Module):
    """Block of V1's line on maps. ``[B, C, H, W] -> same``."""

    def __init__(self, block: TokenBlock) -> None:
        super().__init__()
        assert block.spec.fusion is not None
        self.spec = block.spec
        self.local = block.local
        # Where the fusion reads the local features, they keep their mean: the stream is centered
        # after them.
        self.fuses_local = block.spec.fusion.features == "local"
        if not self.fuses_local:
            self.local.pointwise = center_outputs(self.local.pointwise)  # type: ignore[assignment]
        self.split = PatchConv(block.spec.dim, self.local.pointwise.weight.dtype)
        self.layers = block.layers
        self.norm = block.norm
        self.projection = block.projection
        self.fusion = block.fusion

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[2], x.shape[3])
        local = self.local(x)
        y = self._enter(resize_map(local, divisible_size(size, PATCH), align_corners=False))
        for layer in self.layers:
            y = layer(y)
        y = resize_map(_merge(self.norm(y)), size, align_corners=False)
        y = self.fusion(torch.cat((local if self.fuses_local else x, self.projection(y)), dim=1))
        return x + y if self.spec.add_input else y  # type: ignore[no-any-return]

    def _enter(self, x: Tensor) -> Tensor:
        """``[B, d, 2h, 2w] -> [4 B, d, h, w]``, phases outermost, centered."""
        if self.fuses_local:
            x = x - x.mean(1, keepdim=True)
        b, d, height, width = x.shape
        # [B, 4 d, h, w] -> [B d, 4, h, w] -> [4, B d, h, w] -> [4 B, d, h, w]
        x = self.split(x).reshape(b * d, PHASES, height // PATCH, width // PATCH).transpose(0, 1)
        return x.reshape(PHASES * b, d, height // PATCH, width // PATCH)


def _merge(x: Tensor) -> Tensor:
    """``[4 B, d, h, w] -> [B, d, 2h, 2w]``."""
    b, (d, h, w) = x.shape[0] // PHASES, x.shape[1:]
    # [4 B, d, h, w] -> [4, B d, h, w] -> [B d, 4, h, w] -> [B, 4 d, h, w]
    x = x.reshape(PHASES, b * d, h, w).transpose(0, 1).reshape(b, d * PHASES, h, w)
    return F.pixel_shuffle(x, PATCH)


def _as_conv(linear: nn.Linear) -> nn.Conv2d:
    """The same projection on maps."""
    weight, bias = matrix_of(linear)
    return make_conv(weight, None if linear.bias is None else bias, dtype=linear.weight.dtype)


def _rewrite_layer(layer: TokenTransformerLayer) -> None:
    assert isinstance(layer.attention, ExplicitAttention)
    attention = ChannelAttention(layer.attention)
    attention.out = center_outputs(attention.out)  # type: ignore[assignment]
    swap(layer, "attention", attention)
    swap(layer, "ffn_in", _as_conv(layer.ffn_in))
    swap(layer, "ffn_out", center_outputs(_as_conv(layer.ffn_out)))
    for name in ("attention_norm", "ffn_norm"):
        norm = layer.get_submodule(name)
        assert isinstance(norm, nn.LayerNorm)
        swap(layer, name, ChannelNorm(norm.eps))


def _apply(model: MobileViT, context: Context) -> int:
    blocks = parts_of(model, TokenBlock)
    for name, block in blocks:
        if block.spec.attention != "multi_head":
            raise RefusedError(f"{name}: its attention is {block.spec.attention}, not multi_head")
        if block.norm.elementwise_affine:
            raise RefusedError(f"{name}: a layer norm has scale and shift")
    for name, block in blocks:
        for _, layer in parts_of(block, TokenTransformerLayer):
            _rewrite_layer(layer)
        swap(block, "norm", ChannelNorm(block.norm.eps))
        swap(model, name, ChannelTokenBlock(block))
    return len(blocks)


REWRITE = Rewrite(
    name="channel_layout",
    identity="a linear layer on tokens [B, N, d] = a 1x1 convolution on maps [B, d, h, w]",
    requires=("batch_norm_fold", "norm_affine_fold", "explicit_attention"),
    apply=_apply,
)
