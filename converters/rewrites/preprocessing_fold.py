"""Pixel scaling and channel order move into the stem.

With w the stem's kernel, x bytes and s = 1/255: conv(w, s x) = conv(s w, x), and a permutation of
the input's channels equals the same permutation of the kernel's input channels. Zero padding is
zero before and after, since no mean is subtracted.
"""

from __future__ import annotations

from converters.rewrites.base import Context, Rewrite
from mobilevit_edge.models.network import MobileViT


def _apply(model: MobileViT, context: Context) -> int:
    if context.raw_channel_order is None:
        return 0
    stem = model.stem.conv
    # [out, 3, 3, 3]: dimension 1 is the color.
    weight = stem.weight.flip(1) if context.raw_channel_order == "BGR" else stem.weight
    stem.weight.copy_(weight / 255)
    return 1


REWRITE = Rewrite(
    name="preprocessing_fold",
    identity="conv(w, s flip(x)) = conv(s flip(w), x)",
    requires=(),
    apply=_apply,
)
