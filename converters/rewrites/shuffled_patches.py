"""Patches unfold by a convolution that only moves, and fold by a pixel shuffle.

Unfolding takes the pixels of a 2x2 patch apart: a convolution of stride 2 for each channel, whose
four kernels hold a single one each, does that in one operator of rank 4 (the form in which the
authors of MobileViTv2 took their models to the phone). Folding is the pixel shuffle, its inverse.
Mobile accelerators run both natively; they do not support a transpose of six axes at all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, parts_of, swap
from mobilevit_edge.models.blocks import MapBlock
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PATCH, PHASES


class PatchConv(nn.Module):
    """``[B, C, 2h, 2w] -> [B, 4 C, h, w]``: the four pixels of a patch as channels of their own.

    Channel 4 c + 2 i + j holds pixel (i, j) of channel c.
    """

    kernels: Tensor

    def __init__(self, channels: int, dtype: torch.dtype) -> None:
        super().__init__()
        # One kernel for each pixel: [4, 4] -> [4, 1, 2, 2]
        kernels = torch.eye(PHASES, dtype=dtype).reshape(PHASES, 1, PATCH, PATCH)
        self.register_buffer("kernels", kernels.repeat(channels, 1, 1, 1), persistent=False)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernels, stride=PATCH, groups=self.channels)


class ConvUnfoldMaps(nn.Module):
    """``[B, d, H, W] -> [B, d, P, N]``."""

    def __init__(self, dim: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.split = PatchConv(dim, dtype)

    def forward(self, x: Tensor) -> Tensor:
        # [B, 4 d, h, w] -> [B, d, 4, h w]
        return self.split(x).reshape(x.shape[0], x.shape[1], PHASES, -1)  # type: ignore[no-any-return]


class ShuffleFoldMaps(nn.Module):
    """``[B, d, P, N] -> [B, d, H, W]``."""

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        b, d = x.shape[:2]
        # [B, d, 4, h w] -> [B, 4 d, h, w]
        x = x.reshape(b, d * PHASES, size[0] // PATCH, size[1] // PATCH)
        return F.pixel_shuffle(x, PATCH)


def _apply(model: MobileViT, context: Context) -> int:
    blocks = parts_of(model, MapBlock)
    for _, block in blocks:
        dtype = block.local.pointwise.weight.dtype
        swap(block, "unfold", ConvUnfoldMaps(block.spec.dim, dtype))
        swap(block, "fold", ShuffleFoldMaps())
    return 2 * len(blocks)


REWRITE = Rewrite(
    name="shuffled_patches",
    identity="pixel (i, j) of a patch = a 2x2 convolution with a single one at (i, j)",
    requires=(),
    apply=_apply,
)
