"""Heads are padded with zeros to whole vectors, and cut out of one map.

The rows that are added to queries and keys are zero, so that q k^T sums the same products; those
of the values give channels of zeros, which columns of zeros read. Where a head fills whole vectors
of the unit, cutting it out of the map costs nothing, and one convolution makes the queries of all
heads. That pays where there are many tokens.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from converters.rewrites.algebra import make_conv, make_linear, matrix_of
from converters.rewrites.base import Context, Rewrite, parts_of, swap
from converters.rewrites.explicit_attention import ExplicitAttention
from converters.rewrites.npu.band_layout import BandAttention
from converters.rewrites.npu.pixels import PixelConv
from converters.rewrites.npu.split_heads import attend_by_head
from converters.rewrites.patch_grids import patch_grids
from mobilevit_edge.models.network import MobileViT

VECTOR: Final = 32
"""Channels that lie together in a tile of a map."""
MIN_TOKENS: Final = 65
"""By simulated cycles: docs/howto/npu.md."""


class PaddedHeadAttention(nn.Module):
    """Multi-head attention of tokens in a map, of its bands. ``[B, H, W, d] -> same``."""

    def __init__(self, attention: ExplicitAttention, phases: int) -> None:
        super().__init__()
        self.phases = phases
        self.attention = attention
        heads = attention.heads
        self.query, self.key, self.value = (
            PixelConv.from_linear(_padded(layer, heads))
            for layer in (attention.query, attention.key, attention.value)
        )
        weight, bias = matrix_of(attention.out)
        columns = _pad(weight.T, heads).T
        self.out = PixelConv(make_conv(columns, bias, dtype=attention.out.weight.dtype))
        del attention.query, attention.key, attention.value, attention.out

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).chunk(self.attention.heads, dim=3)
            for layer in (self.query, self.key, self.value)
        )
        return self.out(attend_by_head(q, k, v, self.phases, self.attention.weights))  # type: ignore[no-any-return]


def _pad(rows: Tensor, heads: int) -> Tensor:
    """Each head's rows followed by rows of zeros. ``[heads e, ...] -> [heads e', ...]``."""
    # [heads e, ...] -> [heads, e, ...] -> [heads, e', ...] -> [heads e', ...]
    parts = rows.reshape(heads, -1, *rows.shape[1:])
    zeros = rows.new_zeros(heads, -parts.shape[1] % VECTOR, *rows.shape[1:])
    return torch.cat((parts, zeros), dim=1).flatten(0, 1)


def _padded(layer: nn.Linear, heads: int) -> nn.Linear:
    weight, bias = matrix_of(layer)
    own = None if layer.bias is None else _pad(bias, heads)
    return make_linear(_pad(weight, heads), own, dtype=layer.weight.dtype)


def _apply(model: MobileViT, context: Context) -> int:
    sites = 0
    for stage, (rows, columns) in patch_grids(model, context.image_size).items():
        if rows * columns < MIN_TOKENS:
            continue
        for name, unit in parts_of(model.get_submodule(stage), BandAttention):
            if isinstance(unit.attention, ExplicitAttention):
                padded = PaddedHeadAttention(unit.attention, unit.phases)
                swap(model, f"{stage}.{name}", padded)
                sites += 1
    return sites


REWRITE = Rewrite(
    name="padded_heads",
    identity="[q; 0]^T [k; 0] = q^T k, and [O 0] [v; 0] = O v",
    requires=("explicit_attention", "band_layout"),
    apply=_apply,
)
