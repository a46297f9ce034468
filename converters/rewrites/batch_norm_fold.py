"""Batch norm moves into the convolution before it.

In evaluation, batch norm is an affine map per channel: with s = gamma / sqrt(var + eps),
s * (W x - mean) + beta = (s W) x + (beta - s mean).
"""

from __future__ import annotations

from torch import nn

from converters.rewrites import algebra
from converters.rewrites.base import Context, RefusedError, Rewrite, parts_of
from mobilevit_edge.models.layers import ConvNormAct
from mobilevit_edge.models.network import MobileViT


def _apply(model: MobileViT, context: Context) -> int:
    sites = [part for _, part in parts_of(model, ConvNormAct)]
    for part in sites:
        if part.norm.running_var is None:
            raise RefusedError("a batch norm has no running statistics, so it depends on its batch")
    for part in sites:
        part.conv = algebra.fold_batch_norm(part.conv, part.norm)
        part.norm = nn.Identity()  # type: ignore[assignment]
    return len(sites)


REWRITE = Rewrite(
    name="batch_norm_fold",
    identity="s (W x - mean) + beta = (s W) x + (beta - s mean)",
    requires=(),
    apply=_apply,
)
