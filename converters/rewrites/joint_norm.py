"""GroupNorm with one group as means over channels and positions together.

norm(x) = c / sqrt(mean(c^2) + eps) with c = x - mean(x), both means over all but the batch: rank 4
throughout, whereas the operator itself is decomposed through rank 5. Centering first keeps a large
mean from canceling.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, joint_norms, swap
from mobilevit_edge.models.network import MobileViT


class JointNorm(nn.Module):
    """GroupNorm(1) without scale and shift. ``[B, d, P, N] -> same``.

    ``axes`` are all but the batch's, wherever that is.
    """

    def __init__(self, eps: float, axes: tuple[int, int, int] = (1, 2, 3)) -> None:
        super().__init__()
        self.eps = eps
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(self.axes, keepdim=True)
        return x * torch.rsqrt((x * x).mean(self.axes, keepdim=True) + self.eps)


def _apply(model: MobileViT, context: Context) -> int:
    norms = joint_norms(model)
    for name, norm in norms:
        swap(model, name, JointNorm(norm.eps))
    return len(norms)


REWRITE = Rewrite(
    name="joint_norm",
    identity="norm(x) = c / sqrt(mean(c^2) + eps) with c = x - mean(x)",
    requires=("norm_affine_fold",),
    apply=_apply,
)
