"""Two 1x1 convolutions in a row without an activation between them become one.

W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2), wherever that costs no more multiply-adds. An
inverted residual ends in a linear projection and the next begins with a 1x1 expansion; a block of
V2's line ends in one too. The map between them has no other reader unless a residual taps it, or a
head for boxes, which reads the last two stages.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from converters.rewrites import algebra
from converters.rewrites.base import Context, Rewrite
from converters.rewrites.phase_layout import PhaseMapBlock
from mobilevit_edge.head_specs import SSDLiteSpec
from mobilevit_edge.models.blocks import MapBlock
from mobilevit_edge.models.layers import ConvNormAct, InvertedResidual
from mobilevit_edge.models.network import MobileViT


def _last_linear(part: nn.Module) -> tuple[str, ConvNormAct] | None:
    """The 1x1 convolution that ends ``part``, if nothing is added or activated after it."""
    if isinstance(part, InvertedResidual) and not part.adds_input:
        return "project", part.project
    if isinstance(part, MapBlock | PhaseMapBlock):
        fuses = isinstance(part, PhaseMapBlock) and part.local_projection is not None
        if not part.spec.add_input and not fuses:
            return "projection", part.projection
    return None


def _read_by_head(model: MobileViT) -> nn.Module | None:
    """The part before the last stage whose output a head for boxes reads; ``None`` without one."""
    if not isinstance(model.spec.head, SSDLiteSpec):
        return None
    *_, (_, stage), _ = model.stages()
    return list(stage.children())[-1]


def _apply(model: MobileViT, context: Context) -> int:
    parts = [part for name, stage in model.stages() if name != "stem" for part in stage.children()]
    is_read = _read_by_head(model)
    sites = 0
    for part, following in pairwise(parts):
        last = None if part is is_read else _last_linear(part)
        if last is None or not isinstance(following, InvertedResidual) or following.adds_input:
            continue
        name, first = last
        second = following.expand
        separate = first.conv.weight.numel() + second.conv.weight.numel()
        if first.conv.in_channels * second.conv.out_channels <= separate:
            second.conv = algebra.compose(first.conv, second.conv)
            part.set_submodule(name, nn.Identity())
            sites += 1
    return sites


REWRITE = Rewrite(
    name="linear_pair_merge",
    identity="W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2)",
    requires=("batch_norm_fold",),
    apply=_apply,
)
