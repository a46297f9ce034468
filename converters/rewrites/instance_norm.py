"""Layer and group norms as instance norms: the same statistics over the same numbers.

LayerNorm over d channels of tokens is instance norm with the tokens as channels and d positions;
GroupNorm(1) over a map is instance norm of one long channel. ONNX Runtime's instance norm is its
fastest norm kernel, and its optimizer does not fuse it with the residual sum before it (the fused
kernel costs three times the two apart).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, joint_norms, parts_of, swap
from mobilevit_edge.models.network import MobileViT


class TokenInstanceNorm(nn.Module):
    """LayerNorm without scale and shift. ``[B, N, d] -> same``."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.instance_norm(x, eps=self.eps)


class MapInstanceNorm(nn.Module):
    """GroupNorm(1) without scale and shift. ``[B, d, P, N] -> same``."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        # [B, d, P, N] -> [B, 1, d P N]: one channel a sample
        return F.instance_norm(x.reshape(x.shape[0], 1, -1), eps=self.eps).reshape(x.shape)


def _apply(model: MobileViT, context: Context) -> int:
    layer_norms, group_norms = parts_of(model, nn.LayerNorm), joint_norms(model)
    for name, layer_norm in layer_norms:
        swap(model, name, TokenInstanceNorm(layer_norm.eps))
    for name, norm in group_norms:
        swap(model, name, MapInstanceNorm(norm.eps))
    return len(layer_norms) + len(group_norms)


REWRITE = Rewrite(
    name="instance_norm",
    identity="layer norm of [B, N, d] = instance norm with N channels; group norm = with one",
    requires=("norm_affine_fold",),
    apply=_apply,
)
