"""Multi-head attention as two batched products."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from converters.rewrites.base import Outcome
from converters.rewrites.explicit_attention import ExplicitAttention
from mobilevit_edge.models.attention import MultiHeadSelfAttention
from mobilevit_edge.specs import Attention
from tests.support.rewrites import (
    EXACT,
    count,
    few,
    macs,
    noise,
    randomize,
    record,
    relative_error,
    rewritten,
    small_model,
)

NAME = "explicit_attention"


@few
@given(
    heads=st.sampled_from([1, 2, 4]),
    head_dim=st.integers(1, 5),
    batch=st.integers(1, 5),
    tokens=st.integers(1, 9),
    mean=st.sampled_from([0.0, 1e3]),
    bias=st.sampled_from([1.0, 1e3]),
)
@torch.no_grad()
def test_the_unit_stays_the_same_with_large_means_and_biases(
    heads: int, head_dim: int, batch: int, tokens: int, mean: float, bias: float
) -> None:
    unit = MultiHeadSelfAttention(heads * head_dim, heads).double()
    randomize(unit)
    unit.qkv.bias.mul_(bias)
    changed = ExplicitAttention.from_reference(unit)
    x = noise(batch, tokens, heads * head_dim, mean=mean)
    # Scores of size 1e6 keep ten digits behind the point in float64, and softmax sees those.
    assert relative_error(changed, unit, x) < (EXACT if mean * bias < 1e3 else 1e-6)


def test_it_is_two_batched_products_and_as_many_multiply_adds() -> None:
    unit = MultiHeadSelfAttention(12, 4).double()
    randomize(unit)
    changed = ExplicitAttention.from_reference(unit)
    x = noise(3, 7, 12)
    assert macs(changed, x) == macs(unit, x)
    recorded = record(changed, x)
    assert recorded.largest_rank <= 4
    assert "bmm" in recorded.operators
    assert not any("scaled_dot_product" in operator for operator in recorded.operators)
    assert changed.key.bias is None
    assert changed.value.bias is None


@pytest.mark.parametrize("attention", ["separable", "linformer"])
def test_other_attention_is_left_as_it_is(attention: Attention) -> None:
    changed, outcome = rewritten(small_model("v1", attention=attention), NAME)
    assert outcome == Outcome(NAME, 0)
    assert count(changed, ExplicitAttention) == 0
