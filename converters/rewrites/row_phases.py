"""Patches unfold in two moves of whole rows and whole pixels, in channels-last order.

Unfolding is a permutation of pixels. Done on channels-last pixels, first rows change places
(h, i -> i, h), then pixels (w, j -> j, w): both moves carry long contiguous runs, where the usual
six-axis transpose moves single numbers, and no tensor has more than four axes.
"""

from __future__ import annotations

from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, parts_of, swap
from mobilevit_edge.models.layers import FoldMaps, FoldTokens, UnfoldMaps, UnfoldTokens
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PATCH, PHASES


def split_phases(x: Tensor) -> Tensor:
    """``[B, C, H, W] -> [B, 4, N, C]``: pixels grouped by their position inside the patch."""
    b, c, height, width = x.shape
    rows, columns = height // PATCH, width // PATCH
    x = x.permute(0, 2, 3, 1)
    # rows change places: [B, H, W, C] -> [B, h, i, W C] -> [B, i, h, W C]
    x = x.reshape(b, rows, PATCH, width * c).transpose(1, 2)
    # pixels change places: [B i, h w, j, C] -> [B i, j, h w, C]
    x = x.reshape(b * PATCH, rows * columns, PATCH, c).transpose(1, 2)
    return x.reshape(b, PHASES, rows * columns, c)


def join_phases(x: Tensor, size: tuple[int, int]) -> Tensor:
    """``[B, 4, N, C] -> [B, H, W, C]``: :func:`split_phases` undone, still channels-last."""
    b, _, n, c = x.shape
    height, width = size
    # [B, 4, N, C] -> [B i, j, h w, C] -> [B i, h w, j, C]
    x = x.reshape(b * PATCH, PATCH, n, c).transpose(1, 2)
    # -> [B, i, h, W C] -> [B, h, i, W C]
    x = x.reshape(b, PATCH, height // PATCH, width * c).transpose(1, 2)
    return x.reshape(b, height, width, c)


class RowUnfoldMaps(nn.Module):
    """``[B, d, H, W] -> [B, d, P, N]``."""

    def forward(self, x: Tensor) -> Tensor:
        return split_phases(x).permute(0, 3, 1, 2)


class RowFoldMaps(nn.Module):
    """``[B, d, P, N] -> [B, d, H, W]``."""

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return join_phases(x.permute(0, 2, 3, 1), size).permute(0, 3, 1, 2)


class RowUnfoldTokens(nn.Module):
    """``[B, d, H, W] -> [B * P, N, d]``."""

    def forward(self, x: Tensor) -> Tensor:
        b, d = x.shape[:2]
        # [B, 4, N, d] -> [B * 4, N, d]
        return split_phases(x).reshape(b * PHASES, -1, d)


class RowFoldTokens(nn.Module):
    """``[B * P, N, d] -> [B, d, H, W]``."""

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        bp, n, d = x.shape
        # [B * 4, N, d] -> [B, 4, N, d] -> [B, H, W, d] -> [B, d, H, W]
        return join_phases(x.reshape(bp // PHASES, PHASES, n, d), size).permute(0, 3, 1, 2)


_FORMS = (
    (UnfoldMaps, RowUnfoldMaps),
    (FoldMaps, RowFoldMaps),
    (UnfoldTokens, RowUnfoldTokens),
    (FoldTokens, RowFoldTokens),
)


def _apply(model: MobileViT, context: Context) -> int:
    sites = 0
    for old, new in _FORMS:
        for name, _ in parts_of(model, old):
            swap(model, name, new())
            sites += 1
    return sites


REWRITE = Rewrite(
    name="row_phases",
    identity="(h, i, w, j) -> (i, j, h, w) = rows (h, i) -> (i, h), then pixels (w, j) -> (j, w)",
    requires=(),
    apply=_apply,
)
