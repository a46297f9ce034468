"""The MobileViT block in its two layouts: local part, global part, fusion.

MobileViTv3 needs no further classes: its four changes are switches of :class:`BlockSpec`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mobilevit_edge.models.attention import (
    LinformerSelfAttention,
    MultiHeadSelfAttention,
    SeparableSelfAttention,
    TokenSeparableSelfAttention,
)
from mobilevit_edge.models.layers import (
    ConvNormAct,
    FoldMaps,
    FoldTokens,
    ResizeMap,
    UnfoldMaps,
    UnfoldTokens,
    divisible_size,
)
from mobilevit_edge.specs import HEADS, PATCH, BlockSpec

LINFORMER_PROJECTED_TOKENS = 256
"""p of the V2 paper's Linformer rows (its figure 1 and table 1)."""


def _attention_on_tokens(spec: BlockSpec, max_tokens: int) -> nn.Module:
    match spec.attention:
        case "multi_head":
            return MultiHeadSelfAttention(spec.dim, HEADS)
        case "linformer":
            return LinformerSelfAttention(
                spec.dim,
                HEADS,
                max_tokens=max_tokens,
                projected_tokens=min(LINFORMER_PROJECTED_TOKENS, max_tokens),
            )
        case "separable":
            return TokenSeparableSelfAttention(spec.dim)


class LocalRepresentation(nn.Module):
    """3x3 convolution, then a 1x1 projection to the attention's width. ``[B, C, H, W] -> d``."""

    def __init__(self, channels: int, dim: int, *, depthwise: bool, dilation: int) -> None:
        super().__init__()
        groups = channels if depthwise else 1
        self.spatial = ConvNormAct(channels, channels, 3, groups=groups, dilation=dilation)
        self.pointwise = nn.Conv2d(channels, dim, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.spatial(x))  # type: ignore[no-any-return]


class TokenTransformerLayer(nn.Module):
    """Pre-norm transformer layer on tokens. ``[B, N, d] -> same``."""

    def __init__(self, spec: BlockSpec, max_tokens: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(spec.dim)
        self.attention = _attention_on_tokens(spec, max_tokens)
        self.ffn_norm = nn.LayerNorm(spec.dim)
        self.ffn_in = nn.Linear(spec.dim, spec.ffn_dim)
        self.act = nn.SiLU()
        self.ffn_out = nn.Linear(spec.ffn_dim, spec.dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.ffn_out(self.act(self.ffn_in(self.ffn_norm(x))))  # type: ignore[no-any-return]


class MapTransformerLayer(nn.Module):
    """Pre-norm layer of MobileViTv2: 1x1 convolutions on maps. ``[B, d, P, N] -> same``."""

    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.attention_norm = nn.GroupNorm(1, spec.dim)
        self.attention = SeparableSelfAttention(spec.dim)
        self.ffn_norm = nn.GroupNorm(1, spec.dim)
        self.ffn_in = nn.Conv2d(spec.dim, spec.ffn_dim, 1)
        self.act = nn.SiLU()
        self.ffn_out = nn.Conv2d(spec.ffn_dim, spec.dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.ffn_out(self.act(self.ffn_in(self.ffn_norm(x))))  # type: ignore[no-any-return]


class TokenBlock(nn.Module):
    """MobileViT block on tokens (V1 section 3.1, V3 section 3.1). ``[B, C, H, W] -> same``.

    A map that the patch does not divide is resized for the global part only and resized back
    after it (bilinear, half-pixel corners), so the block keeps its input's size.
    """

    def __init__(self, spec: BlockSpec, channels: int, *, max_tokens: int) -> None:
        super().__init__()
        if spec.fusion is None:
            raise ValueError("a block of V1's line needs a fusion: its projection has no other use")
        self.spec = spec
        self.local = LocalRepresentation(
            channels, spec.dim, depthwise=spec.depthwise_local, dilation=spec.dilation
        )
        self.resize: nn.Module = ResizeMap(align_corners=False)
        self.unfold: nn.Module = UnfoldTokens()
        self.layers = nn.ModuleList(
            TokenTransformerLayer(spec, max_tokens) for _ in range(spec.depth)
        )
        self.norm = nn.LayerNorm(spec.dim)
        self.fold: nn.Module = FoldTokens()
        self.projection = ConvNormAct(spec.dim, channels, 1)
        joined = channels + (spec.dim if spec.fusion.features == "local" else channels)
        self.fusion = ConvNormAct(joined, channels, spec.fusion.kernel_size)

    def global_representation(self, x: Tensor) -> Tensor:
        """Transformer over the patches, once per pixel of the patch. ``[B, d, H, W] -> same``."""
        size = divisible_size((x.shape[2], x.shape[3]), PATCH)
        tokens = self.unfold(self.resize(x, size))
        for layer in self.layers:
            tokens = layer(tokens)
        folded = self.fold(self.norm(tokens), size)
        return self.resize(folded, (x.shape[2], x.shape[3]))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        assert self.spec.fusion is not None
        local = self.local(x)
        projected = self.projection(self.global_representation(local))
        features = local if self.spec.fusion.features == "local" else x
        y = self.fusion(torch.cat((features, projected), dim=1))
        return x + y if self.spec.add_input else y  # type: ignore[no-any-return]


class MapBlock(nn.Module):
    """MobileViT block on maps (V2 section 3.3, V3 section 3.1). ``[B, C, H, W] -> same``.

    A map that the patch does not divide is resized at the block's input (bilinear, aligned
    corners) and keeps that size: the output is then larger than the input, as in the original code.
    """

    def __init__(self, spec: BlockSpec, channels: int) -> None:
        super().__init__()
        if spec.attention != "separable":
            raise ValueError(f"blocks on maps need separable attention, not {spec.attention}")
        if spec.fusion is not None and spec.fusion != type(spec.fusion)(1, "local"):
            raise ValueError("blocks on maps can only fuse local features, with a 1x1 projection")
        self.spec = spec
        self.resize: nn.Module = ResizeMap(align_corners=True)
        self.local = LocalRepresentation(
            channels, spec.dim, depthwise=spec.depthwise_local, dilation=spec.dilation
        )
        self.unfold: nn.Module = UnfoldMaps()
        self.layers = nn.ModuleList(MapTransformerLayer(spec) for _ in range(spec.depth))
        self.norm = nn.GroupNorm(1, spec.dim)
        self.fold: nn.Module = FoldMaps()
        projected = spec.dim if spec.fusion is None else 2 * spec.dim
        self.projection = ConvNormAct(projected, channels, 1, activation=None)

    def global_representation(self, x: Tensor) -> Tensor:
        """Separable attention over the patches. ``[B, d, H, W] -> same``; H, W even."""
        patches = self.unfold(x)
        for layer in self.layers:
            patches = layer(patches)
        return self.fold(self.norm(patches), (x.shape[2], x.shape[3]))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        size = divisible_size((x.shape[2], x.shape[3]), PATCH)
        x = self.resize(x, size)
        local = self.local(x)
        features = self.global_representation(local)
        if self.spec.fusion is not None:
            features = torch.cat((features, local), dim=1)
        y = self.projection(features)
        return x + y if self.spec.add_input else y  # type: ignore[no-any-return]
