"""The fusion of a block of V1's line reads its two maps by a convolution each.

W [a; b] + c = W_a a + (W_b b + c): the concatenated map is never written.
"""

from __future__ import annotations

from torch import Tensor, nn

from converters.rewrites.algebra import make_conv
from converters.rewrites.base import Context, Rewrite, parts_of, swap
from mobilevit_edge.models.blocks import TokenBlock
from mobilevit_edge.models.network import MobileViT


class SplitFusionBlock(TokenBlock):
    """A block with a convolution for each map that it fuses. ``[B, C, H, W] -> same``."""

    def __init__(self, block: TokenBlock) -> None:
        nn.Module.__init__(self)
        assert block.spec.fusion is not None
        self.spec = block.spec
        self.local, self.resize, self.projection = block.local, block.resize, block.projection
        self.unfold, self.layers, self.fold = block.unfold, block.layers, block.fold
        self.norm = block.norm
        conv = block.fusion.conv
        weight = conv.weight.double()
        projected = block.projection.conv.out_channels
        features = conv.in_channels - projected
        padding, dtype = (int(conv.padding[0]), int(conv.padding[1])), conv.weight.dtype
        bias = None if conv.bias is None else conv.bias.double()
        self.fuse_features = make_conv(weight[:, :features], None, padding=padding, dtype=dtype)
        self.fuse_projected = make_conv(weight[:, features:], bias, padding=padding, dtype=dtype)
        self.act = block.fusion.act

    def forward(self, x: Tensor) -> Tensor:
        assert self.spec.fusion is not None
        local = self.local(x)
        projected = self.projection(self.global_representation(local))
        features = local if self.spec.fusion.features == "local" else x
        y = self.act(self.fuse_projected(projected) + self.fuse_features(features))
        return x + y if self.spec.add_input else y  # type: ignore[no-any-return]


def _apply(model: MobileViT, context: Context) -> int:
    blocks = parts_of(model, TokenBlock)
    for name, block in blocks:
        swap(model, name, SplitFusionBlock(block))
    return len(blocks)


REWRITE = Rewrite(
    name="split_fusion",
    identity="W [a; b] + c = W_a a + (W_b b + c)",
    requires=("batch_norm_fold",),
    apply=_apply,
)
