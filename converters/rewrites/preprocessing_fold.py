"""Scaling, standard deviations and channel order of the input move into the stem.

With w the stem's kernel, x its input and s one number for each channel: conv(w, s x) =
conv(s w, x), and a permutation of the input's channels equals the same permutation of the kernel's
input channels. Both leave zero where it was, so the zeros that the convolution pads with stay
right. A mean does not: what is padded with zero after the subtraction would have to be padded with
the mean before. It stays an operator of its own in front of the stem.
"""

from __future__ import annotations

from converters.rewrites.base import Context, Rewrite
from mobilevit_edge.models.network import MobileViT


def _apply(model: MobileViT, context: Context) -> int:
    scaling = context.input_scaling
    if scaling is None:
        return 0
    stem = model.stem.conv
    # [in] -> [1, in, 1, 1], over [out, in, 3, 3]
    weight = stem.weight * stem.weight.new_tensor(scaling.factors)[None, :, None, None]
    stem.weight.copy_(weight.flip(1) if scaling.flip else weight)
    return 1


REWRITE = Rewrite(
    name="preprocessing_fold",
    identity="conv(w, s flip(x)) = conv(flip(s w), x)",
    requires=(),
    apply=_apply,
)
