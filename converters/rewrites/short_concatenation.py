"""SSDLite's rows are joined in two steps: XNNPACK in LiteRT joins at most five tensors.

[a; b; c; d; e; f] = [a; [b; c; d; e; f]]. The first map has three quarters of the rows; the others
are copied twice, which is next to nothing. They are joined as vectors: the converter would make one
step of two that join along the same axis.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, swap
from mobilevit_edge.models.detection import SSDLiteHead
from mobilevit_edge.models.network import MobileViT


class ShortConcatenation(SSDLiteHead):
    """``[B, C4, H, W], [B, C5, h, w] -> [B, N, 4 + num_classes]``."""

    def __init__(self, head: SSDLiteHead) -> None:
        nn.Module.__init__(self)
        self.extra, self.pooled, self.levels = head.extra, head.pooled, head.levels
        self.row = head.row

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        first, *others = self.rows(before, last)
        # [B, n, row] each -> [B, n row] -> [B, N row] -> [B, N, row]
        joined = torch.cat([rows.flatten(1) for rows in others], dim=1)
        return torch.cat((first, joined.reshape(first.shape[0], -1, self.row)), dim=1)


def _apply(model: MobileViT, context: Context) -> int:
    if not isinstance(model.head, SSDLiteHead):
        return 0
    swap(model, "head", ShortConcatenation(model.head))
    return 1


REWRITE = Rewrite(
    name="short_concatenation",
    identity="[a; b; c; d; e; f] = [a; [b; c; d; e; f]]",
    requires=(),
    apply=_apply,
)
