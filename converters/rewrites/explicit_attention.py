"""Multi-head attention as two batched products, with as few operators as the algebra allows.

- The scale joins the query's projection: (c (Q x + q)) k^T = ((c Q) x + c q) k^T.
- The key's bias adds q_i . b to all scores of query i, which softmax ignores: it is dropped.
- The scores of a query sum to one: sum_j a_ij (V x_j + b) = sum_j a_ij V x_j + b, so the value's
  bias moves through the output projection into its bias: W b + b'.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.algebra import make_linear, matrix_of
from converters.rewrites.base import Context, Rewrite, parts_of, swap
from mobilevit_edge.models.attention import MultiHeadSelfAttention
from mobilevit_edge.models.network import MobileViT


class ExplicitAttention(nn.Module):
    """Multi-head attention with separate projections. ``[B, N, d] -> same``.

    ``rows`` is for how many queries at a time; ``None`` for all of them.
    """

    rows: int | None = None

    def __init__(
        self, query: nn.Linear, key: nn.Linear, value: nn.Linear, out: nn.Linear, heads: int
    ) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = query, key, value, out
        self.heads = heads

    @classmethod
    def from_reference(cls, attention: MultiHeadSelfAttention) -> ExplicitAttention:
        """The same function with scale and biases folded."""
        weight, bias = matrix_of(attention.qkv)
        (wq, wk, wv), (bq, _, bv) = weight.chunk(3), bias.chunk(3)
        out_weight, out_bias = matrix_of(attention.out)
        dtype = attention.qkv.weight.dtype
        return cls(
            query=make_linear(wq * attention.scale, bq * attention.scale, dtype=dtype),
            key=make_linear(wk, None, dtype=dtype),
            value=make_linear(wv, None, dtype=dtype),
            out=make_linear(out_weight, out_weight @ bv + out_bias, dtype=dtype),
            heads=attention.heads,
        )

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        heads = (b, n, self.heads, d // self.heads)
        flat = b * self.heads
        # [B, N, d] -> [B, N, heads, e] -> [B * heads, N, e], the key transposed to [.., e, N]
        q = self.query(x).reshape(heads).permute(0, 2, 1, 3).reshape(flat, n, -1)
        k = self.key(x).reshape(heads).permute(0, 2, 3, 1).reshape(flat, -1, n)
        v = self.value(x).reshape(heads).permute(0, 2, 1, 3).reshape(flat, n, -1)
        if self.rows is None:
            y = self.mix(q, k, v)
        else:
            # Slices: XNNPACK does not split. [B * heads, N, e] -> N / rows of [.., rows, e] -> same
            blocks = [q[:, start : start + self.rows] for start in range(0, n, self.rows)]
            y = torch.cat([self.mix(block, k, v) for block in blocks], dim=1)
        # [B * heads, N, e] -> [B, N, heads, e] -> [B, N, d]
        y = y.reshape(b, self.heads, n, -1).permute(0, 2, 1, 3).reshape(b, n, d)
        return self.out(y)  # type: ignore[no-any-return]

    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """``softmax(q k) v``: ``[B * heads, M, e], [.., e, N], [.., N, e] -> [.., M, e]``."""
        return torch.bmm(self.weights(torch.bmm(q, k)), v)

    def weights(self, scores: Tensor) -> Tensor:
        """``[B * heads, M, N] -> same``: each row sums to one."""
        return torch.softmax(scores, dim=-1)


def _apply(model: MobileViT, context: Context) -> int:
    sites = parts_of(model, MultiHeadSelfAttention)
    for name, attention in sites:
        swap(model, name, ExplicitAttention.from_reference(attention))
    return len(sites)


REWRITE = Rewrite(
    name="explicit_attention",
    identity="softmax((c q)(k + b)^T)(v + b') = softmax((c q) k^T) v + b' for each query",
    requires=(),
    apply=_apply,
)
