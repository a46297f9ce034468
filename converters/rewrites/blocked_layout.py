"""V2's residual stream stays in the channel-blocked layout of ONNX Runtime's convolutions.

The stream enters a block as a transposed map, in plain order. An average over one element changes
nothing, but its kernel writes the blocked layout, and every residual sum of the block then joins
the convolution before it.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from converters.rewrites.base import Context, Rewrite, parts_of, swap
from converters.rewrites.row_phases import RowUnfoldMaps
from mobilevit_edge.models.network import MobileViT


class BlockedUnfoldMaps(RowUnfoldMaps):
    """``[B, d, H, W] -> [B, d, P, N]``."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(super().forward(x), 1)


def _apply(model: MobileViT, context: Context) -> int:
    unfolds = parts_of(model, RowUnfoldMaps)
    for name, _ in unfolds:
        swap(model, name, BlockedUnfoldMaps())
    return len(unfolds)


REWRITE = Rewrite(
    name="blocked_layout",
    identity="the average over one element is that element",
    requires=("row_phases",),
    apply=_apply,
)
