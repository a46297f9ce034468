"""Narrow heads need neither keys nor values of their own.

With Q, K, V the rows of one head and O the columns that read it, the scores are

    (Q x + q)^T (K y) = (K^T Q x + K^T q)^T y = (A x + c)^T y,

so that the normed map itself stands for the keys of every head; and the output sums over heads

    O sum_j a_j V y_j = (O V) sum_j a_j y_j,

so that it stands for the values too. Two products of whole maps, no head to transpose: where d is
small the unit is busy moving heads, not multiplying, and the larger products cost it less.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from converters.rewrites.algebra import make_conv, matrix_of
from converters.rewrites.base import Context, Rewrite, parts_of, swap
from converters.rewrites.explicit_attention import ExplicitAttention
from converters.rewrites.npu.band_layout import BandAttention
from converters.rewrites.npu.phase_mask import MaskedAttention
from converters.rewrites.npu.pixels import PixelConv
from mobilevit_edge.models.network import MobileViT

MAX_DIM: Final = 96
"""The width up to which this is worth it, by simulated cycles: docs/howto/npu.md."""
MAX_JOINT_TOKENS: Final = 64
"""Up to so many tokens, one product for all heads is faster than one for each."""


class FoldedAttention(nn.Module):
    """Multi-head attention of tokens in a map, of its bands. ``[B, H, W, d] -> same``."""

    def __init__(self, attention: ExplicitAttention, phases: int) -> None:
        super().__init__()
        self.phases = phases
        dtype = attention.out.weight.dtype
        query, query_bias = matrix_of(attention.query)
        key, value = matrix_of(attention.key)[0], matrix_of(attention.value)[0]
        out, out_bias = matrix_of(attention.out)
        heads = attention.heads
        self.queries = nn.ModuleList(
            PixelConv(make_conv(k.T @ q, k.T @ b, dtype=dtype))
            for q, k, b in zip(
                query.chunk(heads), key.chunk(heads), query_bias.chunk(heads), strict=True
            )
        )
        columns = [o @ v for o, v in zip(out.chunk(heads, dim=1), value.chunk(heads), strict=True)]
        self.out = PixelConv(make_conv(torch.cat(columns, dim=1), out_bias, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        # [B, H, W, d] -> [B P, N, d]
        tokens = x.reshape(x.shape[0] * self.phases, -1, x.shape[3])
        queries = [query(x).reshape(tokens.shape) for query in self.queries]
        if tokens.shape[1] <= MAX_JOINT_TOKENS:
            # The heads' queries one below the other: [B P, heads N, d]
            y = _mix(torch.cat(queries, dim=1), tokens)
            # -> [B P, N, heads d] -> [B, H, W, heads d]
            heads = torch.cat(y.chunk(len(queries), dim=1), dim=2).reshape(*x.shape[:3], -1)
        else:
            # [B P, N, d] of each head -> [B, H, W, heads d]
            heads = torch.cat([_mix(q, tokens).reshape(x.shape) for q in queries], dim=3)
        return self.out(heads)  # type: ignore[no-any-return]


def _mix(queries: Tensor, tokens: Tensor) -> Tensor:
    """``softmax(q t^T) t``. ``[B P, M, d], [B P, N, d] -> [B P, M, d]``."""
    scores = torch.bmm(queries, tokens.transpose(1, 2))
    return torch.bmm(torch.softmax(scores, dim=-1), tokens)


def _apply(model: MobileViT, context: Context) -> int:
    sites = [
        (name, unit.attention, unit.phases)
        for name, unit in parts_of(model, BandAttention)
        if isinstance(unit.attention, ExplicitAttention)
        and not isinstance(unit.attention, MaskedAttention)
        and unit.attention.out.out_features <= MAX_DIM
    ]
    for name, attention, phases in sites:
        swap(model, name, FoldedAttention(attention, phases))
    return len(sites)


REWRITE = Rewrite(
    name="folded_attention",
    identity="(Q x)^T (K y) = (K^T Q x)^T y, and O sum_j a_j V y_j = (O V) sum_j a_j y_j",
    requires=("explicit_attention", "band_layout"),
    apply=_apply,
)
