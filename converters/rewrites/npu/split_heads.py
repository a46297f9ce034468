"""Each head has convolutions of its own: no transpose that takes heads apart.

The rows of a projection that belong to one head are a convolution by themselves, and the output
projection reads the heads one behind the other: the same products and sums as with all heads in
one tensor [B, N, heads, e], which the unit would have to transpose for every product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from converters.rewrites.algebra import make_conv, matrix_of
from converters.rewrites.base import Context, Rewrite, parts_of, swap
from converters.rewrites.explicit_attention import ExplicitAttention
from converters.rewrites.npu.band_layout import BandAttention
from converters.rewrites.npu.pixels import PixelConv
from mobilevit_edge.models.network import MobileViT


class SplitHeadAttention(nn.Module):
    """Multi-head attention of tokens in a map, of its bands. ``[B, H, W, d] -> same``."""

    def __init__(self, attention: ExplicitAttention, phases: int) -> None:
        super().__init__()
        self.phases = phases
        self.attention = attention
        self.queries, self.keys, self.values = (
            nn.ModuleList(_heads(layer, attention.heads))
            for layer in (attention.query, attention.key, attention.value)
        )
        self.out = PixelConv.from_linear(attention.out)
        del attention.query, attention.key, attention.value, attention.out

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            [layer(x) for layer in layers] for layers in (self.queries, self.keys, self.values)
        )
        return self.out(attend_by_head(q, k, v, self.phases, self.attention.weights))  # type: ignore[no-any-return]


def attend_by_head(
    queries: Iterable[Tensor],
    keys: Iterable[Tensor],
    values: Iterable[Tensor],
    phases: int,
    weights: Callable[[Tensor], Tensor],
) -> Tensor:
    """``softmax(q k^T) v`` of each head, one behind the other. Each ``[B, H, W, e]``.

    ``weights`` makes rows that sum to one of the scores ``[B P, N, N]``.
    """
    heads = []
    for parts in zip(queries, keys, values, strict=True):
        shape = parts[0].shape
        # [B, H, W, e] -> [B P, N, e]
        q, k, v = (part.reshape(shape[0] * phases, -1, shape[3]) for part in parts)
        y = torch.bmm(weights(torch.bmm(q, k.transpose(1, 2))), v)
        # [B P, N, e] -> [B, H, W, e]
        heads.append(y.reshape(shape))
    return torch.cat(heads, dim=3)


def _heads(layer: nn.Linear, heads: int) -> Iterator[PixelConv]:
    weight, bias = matrix_of(layer)
    for rows, shift in zip(weight.chunk(heads), bias.chunk(heads), strict=True):
        own = None if layer.bias is None else shift
        yield PixelConv(make_conv(rows, own, dtype=layer.weight.dtype))


def _apply(model: MobileViT, context: Context) -> int:
    sites = [
        (name, unit.attention, unit.phases)
        for name, unit in parts_of(model, BandAttention)
        if isinstance(unit.attention, ExplicitAttention)
    ]
    for name, attention, phases in sites:
        swap(model, name, SplitHeadAttention(attention, phases))
    return len(sites)


REWRITE = Rewrite(
    name="split_heads",
    identity="the rows of each head's projections are a convolution by themselves",
    requires=("explicit_attention", "band_layout"),
    apply=_apply,
)
