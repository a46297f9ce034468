"""The global average pool moves in front of everything linear at the network's end.

Behind the last block of V2's line come only linear maps (its output projection, V3's sums) and the
pool. The pool commutes with them: pool(W x + b) = W pool(x) + b. So the projection runs once
instead of once per pixel, the phases need no merging, and the projection joins the classifier:
C (W x + b) + c = (C W) x + (C b + c).
"""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

from converters.rewrites import algebra
from converters.rewrites.base import Context, Rewrite
from converters.rewrites.head_as_convolution import ConvHead
from converters.rewrites.phase_layout import PhaseMapBlock, PhaseNorm, pool_phases
from mobilevit_edge.models.blocks import MapBlock
from mobilevit_edge.models.network import MobileViT

Block = TypeVar("Block", bound=nn.Module)


class PooledPhaseMapBlock(PhaseMapBlock):
    """The last block with its output pooled. ``[B, C, H, W] -> [B, C, 1, 1]``."""

    def __init__(self, block: PhaseMapBlock) -> None:
        nn.Module.__init__(self)
        self.spec = block.spec
        self.spatial, self.pointwise, self.layers = block.spatial, block.pointwise, block.layers
        self.norm, self.projection = block.norm, block.projection
        self.local_projection = block.local_projection

    def finish(self, x: Tensor, local: Tensor, y: Tensor) -> Tensor:
        assert isinstance(self.norm, PhaseNorm)
        y = self.projection(self.norm.pooled(y))
        if self.local_projection is not None:
            y = y + self.local_projection(pool_phases(local))
        return x.mean((2, 3), keepdim=True) + y if self.spec.add_input else y


def last_block(model: MobileViT, kind: type[Block]) -> Block | None:
    """The last block, if it is of this kind and linear maps alone follow it."""
    *_, (_, last_stage) = model.stages()
    assert isinstance(last_stage, nn.Sequential)
    block = last_stage[-1]
    is_linear = isinstance(model.pre_head, nn.Identity)
    return block if isinstance(block, kind) and is_linear else None


def pool_in(model: MobileViT, pooled: PhaseMapBlock | MapBlock, *, joins: bool) -> int:
    """Put a block with its output pooled in the last one's place.

    ``joins``: nothing is added behind its projection, which becomes part of the classifier.
    """
    *_, (_, last_stage) = model.stages()
    assert isinstance(last_stage, nn.Sequential)
    last_stage[-1] = pooled.eval()
    model.pool = nn.Identity()
    assert isinstance(model.head, ConvHead)
    if joins:
        model.head.conv = algebra.compose(pooled.projection.conv, model.head.conv)
        pooled.projection = nn.Identity()  # type: ignore[assignment]
    return 1


def _apply(model: MobileViT, context: Context) -> int:
    block = last_block(model, PhaseMapBlock)
    if block is None:
        return 0
    joins = block.local_projection is None and not block.spec.add_input
    return pool_in(model, PooledPhaseMapBlock(block), joins=joins)


REWRITE = Rewrite(
    name="early_pooling",
    identity="pool(W x + b) = W pool(x) + b",
    requires=("phase_layout", "head_as_convolution"),
    apply=_apply,
)
