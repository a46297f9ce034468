"""GroupNorm keeps a scale of ones and a shift of zeros.

norm(x) = 1 norm(x) + 0. The unit's compiler knows a group norm by the product and the sum behind
the normalization and has one fast operator for all of it; without them it spills the whole map for
every norm. The real scale and shift stand in the projections behind it.
"""

from __future__ import annotations

from torch import nn

from converters.rewrites.base import Context, Rewrite, parts_of, swap
from mobilevit_edge.models.network import MobileViT


def _apply(model: MobileViT, context: Context) -> int:
    norms = [(name, norm) for name, norm in parts_of(model, nn.GroupNorm) if not norm.affine]
    dtype = next(model.parameters()).dtype
    for name, norm in norms:
        whole = nn.GroupNorm(norm.num_groups, norm.num_channels, norm.eps, dtype=dtype)
        swap(model, name, whole.requires_grad_(False))
    return len(norms)


REWRITE = Rewrite(
    name="group_norm_pattern",
    identity="norm(x) = 1 norm(x) + 0",
    requires=("norm_affine_fold",),
    apply=_apply,
)
