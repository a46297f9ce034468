"""The global average pool moves in front of everything linear at the end of a pixel layout.

As early_pooling, for tokens with channels last: behind the last layer's norm come only linear maps,
with which the pool commutes. So nothing folds back into a map, and the projection runs once:
pool(W x + b) = W pool(x) + b. It joins the classifier where no sum is in between:
C (W x + b) + c = (C W) x + (C b + c).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite
from converters.rewrites.early_pooling import last_block, pool_in
from mobilevit_edge.models.blocks import MapBlock
from mobilevit_edge.models.layers import divisible_size
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PATCH


class PooledPixelBlock(MapBlock):
    """The last block with its output pooled. ``[B, C, H, W] -> [B, C, 1, 1]``."""

    def __init__(self, block: MapBlock) -> None:
        nn.Module.__init__(self)
        self.spec = block.spec
        for name, part in block.named_children():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        x = self.resize(x, divisible_size((x.shape[2], x.shape[3]), PATCH))
        local = self.local(x)
        tokens = self.unfold(local)
        for layer in self.layers:
            tokens = layer(tokens)
        # [P, B, N, d] -> [B, d] -> [B, d, 1, 1]
        pooled = self.norm(tokens).mean((0, 2))[:, :, None, None]
        if self.spec.fusion is not None:
            pooled = torch.cat((pooled, local.mean((2, 3), keepdim=True)), dim=1)
        y: Tensor = self.projection(pooled)
        return x.mean((2, 3), keepdim=True) + y if self.spec.add_input else y


def _apply(model: MobileViT, context: Context) -> int:
    block = last_block(model, MapBlock)
    if block is None:
        return 0
    return pool_in(model, PooledPixelBlock(block), joins=not block.spec.add_input)


REWRITE = Rewrite(
    name="pixel_pooling",
    identity="pool(W x + b) = W pool(x) + b",
    requires=("batch_norm_fold", "pixel_layout", "head_as_convolution"),
    apply=_apply,
)
