"""Multi-head attention as two batched products."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from converters.rewrites.explicit_attention import ExplicitAttention
from mobilevit_edge.models.attention import MultiHeadSelfAttention
from mobilevit_edge.specs import Attention, ModelSpec
from tests.converters.rewrites.test_base import (
    EXACT,
    LINES,
    TOKEN_LINES,
    assert_exact,
    batches_of_images,
    count,
    exact_arithmetic,
    few,
    macs,
    noise,
    randomize,
    ranks,
    relative_error,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "explicit_attention"


@few
@given(small_specs(*TOKEN_LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


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
    with exact_arithmetic():
        changed = ExplicitAttention.from_reference(unit)
    x = noise(batch, tokens, heads * head_dim, mean=mean)
    # Scores of size 1e6 keep ten digits behind the point in float64, and softmax sees those.
    assert relative_error(changed, unit, x) < (EXACT if mean * bias < 1e3 else 1e-6)


def test_it_is_two_batched_products_and_as_many_multiply_adds() -> None:
    unit = MultiHeadSelfAttention(12, 4).double()
    randomize(unit)
    with exact_arithmetic():
        changed = ExplicitAttention.from_reference(unit)
    x = noise(3, 7, 12)
    assert macs(changed, x) == macs(unit, x)
    recorded = ranks(changed, x)
    assert recorded.largest <= 4
    assert "bmm" in recorded.operators
    assert not any("scaled_dot_product" in operator for operator in recorded.operators)
    assert changed.key.bias is None
    assert changed.value.bias is None


@pytest.mark.parametrize(
    ("line", "attention", "sites"),
    [
        *((line, "multi_head", 6) for line in TOKEN_LINES),
        ("mobilevit_xxs", "separable", 0),
        ("mobilevit_xxs", "linformer", 0),
    ],
)
def test_only_multi_head_attention_is_rewritten(
    line: str, attention: Attention, sites: int
) -> None:
    model = small_model(small_spec(line, depth=2, attention=attention))
    changed, outcome = rewritten(model, [NAME])
    assert (outcome.sites, outcome.refused) == (sites, None)
    assert count(changed, ExplicitAttention) == sites
    assert count(changed, MultiHeadSelfAttention) == 0


def test_models_on_maps_have_none() -> None:
    for line in set(LINES) - set(TOKEN_LINES):
        assert rewritten(small_model(small_spec(line)), [NAME])[1].sites == 0
