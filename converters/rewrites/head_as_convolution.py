"""The pooled head as a 1x1 convolution on a 1x1 map.

W pool(x) + b is the same product either way; as a convolution it stays in four dimensions, where
mobile runtimes have their global average pool.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.algebra import make_conv, matrix_of
from converters.rewrites.base import Context, RefusedError, Rewrite
from mobilevit_edge.models.network import MobileViT


class KeepdimAveragePool(nn.Module):
    """``[B, C, H, W] -> [B, C, 1, 1]``."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.mean(x, dim=(2, 3), keepdim=True)


class ConvHead(nn.Module):
    """Classifier on a pooled map. ``[B, C, 1, 1] -> [B, num_classes]``."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).flatten(1)  # type: ignore[no-any-return]


def _apply(model: MobileViT, context: Context) -> int:
    if not isinstance(model.head, nn.Linear):
        raise RefusedError("the model has no classifier")
    head = model.head
    model.head = ConvHead(make_conv(*matrix_of(head), dtype=head.weight.dtype))
    model.pool = KeepdimAveragePool()
    return 1


REWRITE = Rewrite(
    name="head_as_convolution",
    identity="W pool(x) + b, with pool(x) as a map of one pixel",
    requires=(),
    apply=_apply,
)
