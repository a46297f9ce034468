"""GroupNorm with one group, computed from global average pools.

With m(x) = mean over channels and positions, taken as a pool over positions and a mean of the
pooled channels: norm(x) = (x - m(x)) / sqrt(m((x - m(x))^2) + eps). Centering first keeps a large
mean from canceling in m(x^2) - m(x)^2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, joint_norms, swap
from mobilevit_edge.models.network import MobileViT


def joint_mean(x: Tensor) -> Tensor:
    """Mean of each image over channels and positions. ``[B, d, P, N] -> [B, 1, 1, 1]``."""
    pooled = x.mean((2, 3), keepdim=True)
    # [B, d, 1, 1] -> [B, 1, 1, d]: unit axes change places, no data moves
    return pooled.permute(0, 2, 3, 1).mean((2, 3), keepdim=True)


class PooledNorm(nn.Module):
    """GroupNorm(1) without scale and shift. ``[B, d, P, N] -> same``."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        x = x - joint_mean(x)
        return x * torch.rsqrt(joint_mean(x * x) + self.eps)


def _apply(model: MobileViT, context: Context) -> int:
    norms = joint_norms(model)
    for name, norm in norms:
        swap(model, name, PooledNorm(norm.eps))
    return len(norms)


REWRITE = Rewrite(
    name="norm_from_poolings",
    identity="norm(x) = c / sqrt(pool(c^2) + eps) with c = x - pool(x)",
    requires=("norm_affine_fold",),
    apply=_apply,
)
