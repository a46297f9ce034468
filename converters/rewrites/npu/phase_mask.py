"""Attention over all tokens of a small map, with a mask between the phases: nothing unfolds.

Tokens of one phase (of equal position inside their 2x2 patch) attend to each other only. With M
zero between tokens of one phase and -10,000 elsewhere, softmax(s + M) is zero outside the phase and
inside it what it was: exp(-10,000) is zero in every format, and a row sums the same terms. The
scores grow fourfold, so this pays where the map holds few tokens, as in V1's last stage.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, parts_of, swap
from converters.rewrites.explicit_attention import ExplicitAttention
from converters.rewrites.npu.band_layout import BandAttention, UnfoldBands
from converters.rewrites.patch_grids import patch_grids
from mobilevit_edge.models.blocks import TokenBlock
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PATCH

MASKED: Final = -1e4
"""Beyond what exp tells from zero, within fp16."""
MAX_TOKENS: Final = 64
"""By simulated cycles: docs/howto/npu.md."""


def phases_of_pixels(size: tuple[int, int]) -> Tensor:
    """The phase, 0 to 3, of each pixel of a map, row by row. ``[H W]``."""
    rows, columns = (torch.arange(side) % PATCH for side in size)
    return (rows[:, None] * PATCH + columns).flatten()


class MaskedAttention(ExplicitAttention):
    """Attention over the tokens of all phases. ``[B, N, d] -> same``."""

    mask: Tensor

    def __init__(self, attention: ExplicitAttention, size: tuple[int, int]) -> None:
        super().__init__(
            attention.query, attention.key, attention.value, attention.out, attention.heads
        )
        phases = phases_of_pixels(size)
        mask = torch.where(phases[:, None] == phases, 0.0, MASKED)
        # [N, N] -> [1, N, N]
        self.register_buffer("mask", mask[None].to(attention.out.weight.dtype), persistent=False)

    def weights(self, scores: Tensor) -> Tensor:
        return torch.softmax(scores + self.mask, dim=-1)


class KeepPixels(nn.Module):
    """``[B, d, H, W] -> [B, H, W, d]``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


class ReturnPixels(nn.Module):
    """``[B, H, W, d] -> [B, d, H, W]``."""

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return x.permute(0, 3, 1, 2)


def _apply(model: MobileViT, context: Context) -> int:
    sites = 0
    for stage, (rows, columns) in patch_grids(model, context.image_size).items():
        size = (rows * PATCH, columns * PATCH)
        for _, block in parts_of(model.get_submodule(stage), TokenBlock):
            units = {
                name: unit.attention
                for name, unit in parts_of(block, BandAttention)
                if isinstance(unit.attention, ExplicitAttention)
            }
            fits = size[0] * size[1] <= MAX_TOKENS and isinstance(block.unfold, UnfoldBands)
            # Linformer and separable units know no mask.
            if not fits or len(units) < len(block.layers):
                continue
            swap(block, "unfold", KeepPixels())
            swap(block, "fold", ReturnPixels())
            for name, attention in units.items():
                masked = MaskedAttention(attention, size)
                swap(block, name, BandAttention(masked, phases=1))
            sites += 1
    return sites


REWRITE = Rewrite(
    name="phase_mask",
    identity="softmax over a phase = softmax over all tokens + a mask of -10,000 outside it",
    requires=("explicit_attention", "band_layout"),
    apply=_apply,
)
