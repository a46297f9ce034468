"""Tokens of V1's line lie in one map, each phase a band of rows; linear layers are convolutions.

The four phases (pixels of equal position inside their 2x2 patch) are taken apart by slices of
stride 2. The halves of a phase are set side by side, so that bands are near to square, and the
bands one below the other: ``[B, H, W, d]`` again, whose row-major order holds the tokens of phase
after phase. A linear layer is a 1x1 convolution of that map, which the unit's matrix engine reads
in tiles and joins with the activation after it. The order of the tokens inside a phase means
nothing to attention, which treats them alike.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, parts_of, swap
from converters.rewrites.npu.operators import depth_to_space
from converters.rewrites.npu.pixels import PixelConv
from mobilevit_edge.models.blocks import TokenBlock, TokenTransformerLayer
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PATCH, PHASES


class UnfoldBands(nn.Module):
    """``[B, d, H, W] -> [B, H', W', d]``, the phases one below the other."""

    def forward(self, x: Tensor) -> Tensor:
        # [B, d, H, W] -> [B, H, W, d]
        x = x.permute(0, 2, 3, 1)
        phases = [x[:, i::PATCH, j::PATCH] for i in range(PATCH) for j in range(PATCH)]
        if phases[0].shape[1] % 2 == 0:
            # [B, h, w, d] -> [B, h / 2, 2 w, d]
            phases = [torch.cat(phase.chunk(2, dim=1), dim=2) for phase in phases]
        return torch.cat(phases, dim=1)


class FoldBands(nn.Module):
    """``[B, H', W', d] -> [B, d, H, W]``, the inverse of :class:`UnfoldBands`."""

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        phases = list(x.chunk(PHASES, dim=1))
        if phases[0].shape[2] != size[1] // PATCH:
            # [B, h / 2, 2 w, d] -> [B, h, w, d]
            phases = [torch.cat(phase.chunk(2, dim=2), dim=1) for phase in phases]
        # [B, h, w, 4 d] -> [B, 4 d, h, w] -> [B, d, H, W]
        return depth_to_space(torch.cat(phases, dim=3).permute(0, 3, 1, 2), PATCH)  # type: ignore[no-any-return]


class BandAttention(nn.Module):
    """Attention of tokens in a map, over each of its ``phases`` bands. ``[B, H, W, d] -> same``."""

    def __init__(self, attention: nn.Module, phases: int = PHASES) -> None:
        super().__init__()
        self.attention = attention
        self.phases = phases

    def forward(self, x: Tensor) -> Tensor:
        # [B, H, W, d] -> [B P, N, d]
        tokens = x.reshape(x.shape[0] * self.phases, -1, x.shape[3])
        return self.attention(tokens).reshape(x.shape)  # type: ignore[no-any-return]


def _apply(model: MobileViT, context: Context) -> int:
    blocks = [block for _, block in parts_of(model, TokenBlock)]
    for block in blocks:
        swap(block, "unfold", UnfoldBands())
        swap(block, "fold", FoldBands())
        for _, layer in parts_of(block, TokenTransformerLayer):
            swap(layer, "attention", BandAttention(layer.attention))
            swap(layer, "ffn_in", PixelConv.from_linear(layer.ffn_in))
            swap(layer, "ffn_out", PixelConv.from_linear(layer.ffn_out))
    return len(blocks)


REWRITE = Rewrite(
    name="band_layout",
    identity="W x for each token = a 1x1 convolution of the map that holds the tokens",
    requires=(),
    apply=_apply,
)
