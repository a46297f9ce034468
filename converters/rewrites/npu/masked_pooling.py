"""Separable attention pools the four phases by one product with masked scores: nothing unfolds.

Each token has one score q; its context is the sum over its phase of softmax(q) x. Four copies of
the scores, each with -10,000 outside one phase, have that phase's softmax (exp(-10,000) is zero in
every format), and the contexts of all phases are one product [4, N] [N, d]. Keys are projected
after pooling. A context returns to its tokens by the product with the phases' indicators [N, 4],
of which each row holds a single one. The norms pool over the whole map, in any order, and every
projection is 1x1, so the map never changes its layout.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from converters.rewrites.algebra import make_conv, make_linear, matrix_of
from converters.rewrites.base import Context, Rewrite, parts_of, swap
from converters.rewrites.key_after_pooling import PooledKeyAttention
from converters.rewrites.npu.phase_mask import MASKED, phases_of_pixels
from converters.rewrites.patch_grids import patch_grids
from mobilevit_edge.models.blocks import MapBlock
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PATCH, PHASES


class MaskedPoolingAttention(nn.Module):
    """Separable attention of a map as it is. ``[B, d, H, W] -> same``."""

    mask: Tensor
    indicators: Tensor

    def __init__(self, attention: PooledKeyAttention, size: tuple[int, int]) -> None:
        super().__init__()
        dtype = attention.query.weight.dtype
        query, _ = matrix_of(attention.query)
        self.query = make_conv(query.repeat(PHASES, 1), None, dtype=dtype)
        self.key = make_linear(*matrix_of(attention.key), dtype=dtype)
        self.value, self.out = attention.value, attention.out
        own = phases_of_pixels(size)[:, None] == torch.arange(PHASES)
        mask = torch.where(own, 0.0, MASKED).to(dtype)
        # [H W, 4] -> [1, H, W, 4]
        self.register_buffer("mask", mask.reshape(1, *size, PHASES), persistent=False)
        # [H W, 4] -> [1, H W, 4]
        self.register_buffer("indicators", own[None].to(dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        b, d, height, width = x.shape
        # [B, 4, H, W] -> [B, H, W, 4] -> [B, H W, 4] -> [B, 4, H W]
        masked = self.query(x).permute(0, 2, 3, 1) + self.mask
        scores = torch.softmax(masked.reshape(b, -1, PHASES).transpose(1, 2), dim=-1)
        # [B, d, H, W] -> [B, H, W, d] -> [B, H W, d]; contexts [B, 4, d]
        contexts = self.key(torch.bmm(scores, x.permute(0, 2, 3, 1).reshape(b, -1, d)))
        # [B, H W, d] -> [B, H, W, d] -> [B, d, H, W]
        gates = torch.matmul(self.indicators, contexts).reshape(b, height, width, d)
        return self.out(F.relu(self.value(x)) * gates.permute(0, 3, 1, 2))  # type: ignore[no-any-return]


class KeepMap(nn.Module):
    """What folds a map that was not unfolded. ``[B, d, H, W] -> same``."""

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return x


def _apply(model: MobileViT, context: Context) -> int:
    sites = 0
    for stage, (rows, columns) in patch_grids(model, context.image_size).items():
        size = (rows * PATCH, columns * PATCH)
        for _, block in parts_of(model.get_submodule(stage), MapBlock):
            swap(block, "unfold", nn.Identity())
            swap(block, "fold", KeepMap())
            for name, attention in parts_of(block, PooledKeyAttention):
                swap(block, name, MaskedPoolingAttention(attention, size))
                sites += 1
    return sites


REWRITE = Rewrite(
    name="masked_pooling",
    identity="sum over a phase of softmax(q) x = softmax(q + mask) x over all tokens",
    requires=("key_after_pooling",),
    apply=_apply,
)
