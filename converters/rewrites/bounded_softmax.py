"""Softmax without its maximum, where the weights prove that no score is large.

softmax(s) V = (exp(s) V) / (exp(s) 1) for any s. A softmax subtracts the maximum first only to keep
exp finite. That is unnecessary here: the tokens x come from a layer norm without scale and shift,
so they are centered and no longer than sqrt(d). With P = I - 11'/d, a score (Q x_i + q)' K x_j of a
head is at most d |P Q' K P| + sqrt(d) |P K' q|, the first norm being spectral. A unit whose
bound is too large keeps its softmax.

The scores are then read one time fewer, and each token takes d / heads divisions instead of one for
every other token. A row's sum is a linear layer with weights of one, for which XNNPACK has a faster
kernel than for sums.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from converters.rewrites.algebra import make_linear, matrix_of
from converters.rewrites.base import Context, RefusedError, Rewrite, swap
from converters.rewrites.explicit_attention import ExplicitAttention
from converters.rewrites.patch_grids import attention_units
from mobilevit_edge.models.network import MobileViT

LARGEST_SCORE: Final = 64.0
"""Bound up to which exp needs no maximum subtracted. exp(64) = 6e27: sums over 1e4 tokens of 1e6
times as much stay below fp32's 3e38; exp(-64) is as far from its smallest normal number."""


class BoundedAttention(ExplicitAttention):
    """Multi-head attention whose rows are divided by their sums last. ``[B, N, d] -> same``.

    ``tokens`` is N.
    """

    def __init__(self, attention: ExplicitAttention, tokens: int) -> None:
        super().__init__(
            attention.query, attention.key, attention.value, attention.out, attention.heads
        )
        self.row_sum = make_linear(torch.ones(1, tokens), None, dtype=attention.value.weight.dtype)

    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights = torch.exp(torch.bmm(q, k))
        # [B * heads, M, e] / [B * heads, M, 1]
        return torch.bmm(weights, v) / self.row_sum(weights)  # type: ignore[no-any-return]


def largest_score(attention: ExplicitAttention) -> float:
    """An upper bound of every |score|, for tokens of a layer norm without scale and shift."""
    (query, query_bias), (key, _) = matrix_of(attention.query), matrix_of(attention.key)
    if not all(x.isfinite().all() for x in (query, query_bias, key)):
        return math.inf
    dim = key.shape[1]
    # Tokens have no mean over channels, so what the weights do to it does not count.
    query, key = (weight - weight.mean(1, keepdim=True) for weight in (query, key))
    bounds = (
        dim * torch.linalg.matrix_norm(q.T @ k, ord=2) + math.sqrt(dim) * (k.T @ bias).norm()
        for q, k, bias in zip(
            query.chunk(attention.heads),
            key.chunk(attention.heads),
            query_bias.chunk(attention.heads),
            strict=True,
        )
    )
    return float(max(bounds))


def _apply(model: MobileViT, context: Context) -> int:
    sites = list(attention_units(model, context.image_size))
    bounds = [largest_score(unit) for _, unit, _ in sites]
    fitting = [site for site, bound in zip(sites, bounds, strict=True) if bound <= LARGEST_SCORE]
    if sites and not fitting:
        raise RefusedError(
            f"{sites[0][0]}: a score may reach {bounds[0]:.0f}, more than {LARGEST_SCORE:.0f}, "
            f"and so may those of every other unit"
        )
    for name, unit, tokens in fitting:
        swap(model, name, BoundedAttention(unit, tokens))
    return len(fitting)


REWRITE = Rewrite(
    name="bounded_softmax",
    identity="softmax(s) V = (exp(s) V) / (exp(s) 1), all |s| being small",
    requires=("norm_affine_fold", "explicit_attention"),
    apply=_apply,
)
