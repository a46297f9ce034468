"""Separable attention projects its keys after pooling them.

The context is linear in the keys and the scores s sum to one, so
sum_n s_n (K x_n + k) = K (sum_n s_n x_n) + k: one d x d product for each position in the patch
instead of one for each token, a third of the unit's projection cost. Softmax ignores what is
constant over the tokens, so the query needs no bias. Query, key and value get projections of their
own: no split, and ReLU can join the value's convolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from converters.rewrites.algebra import make_conv, matrix_of
from converters.rewrites.base import Context, Rewrite, parts_of, swap
from mobilevit_edge.models.attention import SeparableSelfAttention
from mobilevit_edge.models.network import MobileViT


class PooledKeyAttention(nn.Module):
    """Separable attention with keys projected after pooling. ``[B, d, P, N] -> same``."""

    def __init__(self, query: nn.Conv2d, key: nn.Conv2d, value: nn.Conv2d, out: nn.Conv2d) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = query, key, value, out

    @classmethod
    def from_reference(cls, attention: SeparableSelfAttention) -> PooledKeyAttention:
        """The same function with the joint projection split."""
        weight, bias = matrix_of(attention.qkv)
        dim, dtype = attention.out.in_channels, attention.qkv.weight.dtype
        return cls(
            query=make_conv(weight[:1], None, dtype=dtype),
            key=make_conv(weight[1 : 1 + dim], bias[1 : 1 + dim], dtype=dtype),
            value=make_conv(weight[1 + dim :], bias[1 + dim :], dtype=dtype),
            out=attention.out,
        )

    def forward(self, x: Tensor) -> Tensor:
        scores = torch.softmax(self.query(x), dim=3)
        context = self.key((x * scores).sum(dim=3, keepdim=True))
        return self.out(F.relu(self.value(x)) * context)  # type: ignore[no-any-return]


def _apply(model: MobileViT, context: Context) -> int:
    sites = 0
    for name, attention in parts_of(model, SeparableSelfAttention):
        swap(model, name, PooledKeyAttention.from_reference(attention))
        sites += 1
    return sites


REWRITE = Rewrite(
    name="key_after_pooling",
    identity="sum_n s_n (K x_n + k) = K (sum_n s_n x_n) + k, since sum_n s_n = 1",
    requires=(),
    apply=_apply,
)
