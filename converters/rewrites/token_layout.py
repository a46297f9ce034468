"""Blocks of V1's line unfold and fold whole pixels, in channels-last order.

Unfolding is a permutation of pixels. With channels last it moves runs of C numbers instead of
single ones. The projections on either side, 1x1 convolutions, are linear layers on tokens: the
entrance's runs after unfolding (C < d: fewer numbers move) and the exit's before folding. Where a
map is resized in between, that is linear with weights that sum to one, and commutes with both.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.algebra import make_linear, matrix_of
from converters.rewrites.base import Context, Rewrite, parts_of, swap
from mobilevit_edge.models.blocks import TokenBlock
from mobilevit_edge.models.layers import divisible_size, resize_map
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PATCH, PHASES


def to_tokens(x: Tensor) -> Tensor:
    """``[B, C, 2h, 2w] -> [4 B, h w, C]``, phases outermost."""
    b, c, height, width = x.shape
    h, w = height // PATCH, width // PATCH
    # [B, C, H, W] -> [B, H, W, C] -> [B h, 2, w, 2, C]
    x = x.permute(0, 2, 3, 1).reshape(b * h, PATCH, w, PATCH, c)
    # -> [2, 2, B h, w, C] -> [4 B, h w, C]
    return x.permute(1, 3, 0, 2, 4).reshape(PHASES * b, h * w, c)


def from_tokens(x: Tensor, size: tuple[int, int]) -> Tensor:
    """``[4 B, h w, C] -> [B, C, 2h, 2w]``, the inverse of :func:`to_tokens`."""
    b, c = x.shape[0] // PHASES, x.shape[2]
    h, w = size[0] // PATCH, size[1] // PATCH
    # [4 B, h w, C] -> [2, 2, B h, w, C] -> [B h, 2, w, 2, C]
    x = x.reshape(PATCH, PATCH, b * h, w, c).permute(2, 0, 3, 1, 4)
    # -> [B, H, W, C] -> [B, C, H, W]
    return x.reshape(b, PATCH * h, PATCH * w, c).permute(0, 3, 1, 2)


class PixelTokenBlock(nn.Module):
    """Block of V1's line that moves whole pixels. ``[B, C, H, W] -> same``.

    ``enter`` is a linear layer on tokens, or, where the fusion reads the local features (V3), the
    reference's 1x1 convolution on the map. ``center``, if set, is subtracted from the tokens.
    """

    def __init__(self, block: TokenBlock) -> None:
        super().__init__()
        assert block.spec.fusion is not None
        self.spec = block.spec
        self.fuses_local = block.spec.fusion.features == "local"
        self.spatial = block.local.spatial
        self.enter: nn.Conv2d | nn.Linear = block.local.pointwise
        dtype = self.enter.weight.dtype
        if not self.fuses_local:
            self.enter = make_linear(matrix_of(self.enter)[0], None, dtype=dtype)
        self.center: nn.Linear | None = None
        self.layers = block.layers
        self.norm = block.norm
        self.exit = make_linear(*matrix_of(block.projection.conv), dtype=dtype)
        self.act = block.projection.act
        self.fusion = block.fusion

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[2], x.shape[3])
        even = divisible_size(size, PATCH)
        local = self.spatial(x)
        if self.fuses_local:
            local = self.enter(local)
            tokens = to_tokens(resize_map(local, even, align_corners=False))
        else:
            tokens = self.enter(to_tokens(resize_map(local, even, align_corners=False)))
        if self.center is not None:
            tokens = tokens - self.center(tokens)
        for layer in self.layers:
            tokens = layer(tokens)
        y = self.exit(self.norm(tokens))
        if even == size:
            y = from_tokens(self.act(y), size)
        else:
            # Resizing commutes with the projection but not with its activation.
            y = self.act(resize_map(from_tokens(y, even), size, align_corners=False))
        y = self.fusion(torch.cat((local if self.fuses_local else x, y), dim=1))
        return x + y if self.spec.add_input else y  # type: ignore[no-any-return]


def _apply(model: MobileViT, context: Context) -> int:
    blocks = parts_of(model, TokenBlock)
    for name, block in blocks:
        swap(model, name, PixelTokenBlock(block))
    return len(blocks)


REWRITE = Rewrite(
    name="token_layout",
    identity="unfold(W x) = W unfold(x), W fold(t) = fold(W t)",
    requires=("batch_norm_fold",),
    apply=_apply,
)
