"""Softmax without its maximum."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from converters.rewrites.base import Outcome, parts_of
from converters.rewrites.bounded_softmax import (
    LARGEST_SCORE,
    BoundedAttention,
    largest_score,
)
from converters.rewrites.explicit_attention import ExplicitAttention
from mobilevit_edge.models.attention import MultiHeadSelfAttention
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import Attention
from tests.support.networks import BLOCKS
from tests.support.rewrites import (
    CONTEXT,
    apply_alone,
    assert_unchanged,
    count,
    difference,
    few,
    fingerprint,
    noise,
    prepared_for,
    randomize,
    record,
    rewritten,
    small_model,
)

NAME = "bounded_softmax"


@few
@given(
    heads=st.sampled_from([1, 2, 4]),
    head_dim=st.integers(1, 5),
    tokens=st.integers(1, 30),
    scale=st.floats(0.1, 3),
    seed=st.integers(0, 99),
)
@torch.no_grad()
def test_no_score_exceeds_the_bound_and_the_largest_come_near(
    heads: int, head_dim: int, tokens: int, scale: float, seed: int
) -> None:
    unit = MultiHeadSelfAttention(heads * head_dim, heads).double()
    randomize(unit, seed)
    unit.qkv.weight.mul_(scale)
    attention = ExplicitAttention.from_reference(unit)
    dim = heads * head_dim
    x = torch.nn.functional.layer_norm(noise(1, tokens, dim, seed=seed), (dim,))
    # The worst token is as long as a normed one can be, in the direction that the weights amplify.
    q, k = (
        layer(x).reshape(tokens, heads, head_dim).transpose(0, 1)
        for layer in (attention.query, attention.key)
    )
    scores = q @ k.transpose(1, 2)
    assert scores.abs().max() <= largest_score(attention) * (1 + 1e-9)


@torch.no_grad()
def test_the_bound_is_reached() -> None:
    unit = MultiHeadSelfAttention(6, 1).double()
    randomize(unit)
    unit.qkv.bias.zero_()
    attention = ExplicitAttention.from_reference(unit)
    query, key = attention.query.weight, attention.key.weight
    centered = torch.eye(6, dtype=torch.float64) - 1 / 6
    left, _, right = torch.linalg.svd(centered @ query.T @ key @ centered)
    a, b = math.sqrt(6) * left[:, 0], math.sqrt(6) * right[0]
    # Both are what a layer norm can give.
    for token in (a, b):
        assert torch.nn.functional.layer_norm(token, (6,), eps=0.0) == pytest.approx(token)
    score = attention.query(a) @ attention.key(b)
    assert float(score) == pytest.approx(largest_score(attention))


@pytest.mark.parametrize("attention", ["separable", "linformer"])
def test_other_attention_is_left_as_it_is(attention: Attention) -> None:
    changed, outcome = rewritten(small_model("v1", attention=attention), NAME)
    assert outcome == Outcome(NAME, 0)
    assert count(changed, BoundedAttention) == 0


def test_the_maximum_is_gone_and_the_sum_is_a_product() -> None:
    changed, _ = rewritten(small_model("v1"), NAME)
    operators = record(changed, noise(1, 3, *CONTEXT.image_size)).operators
    assert "exp" in operators
    assert not {"_softmax", "amax", "sum"} & operators.keys()


@torch.no_grad()
def test_peaked_attention_keeps_fp32s_accuracy() -> None:
    model = small_model("v1", dim=12)
    grow_to(model, 0.99 * LARGEST_SCORE)
    plain = prepared_for(model, NAME)
    changed, outcome = rewritten(model, NAME)
    assert outcome.sites == BLOCKS
    x = 5 * noise(2, 3, 64, 64)
    error = difference(changed.float()(x.float()), model(x))
    # As a softmax does with these weights: what is lost was lost in the scores.
    assert error < 3 * difference(plain.float()(x.float()), model(x))


def grow_to(model: MobileViT, bound: float) -> None:
    """Scale queries and keys so that every unit has this bound."""
    units = parts_of(prepared_for(model, NAME), ExplicitAttention)
    for (_, unit), (_, known) in zip(parts_of(model, MultiHeadSelfAttention), units, strict=True):
        joint = 2 * unit.qkv.weight.shape[1]
        factor = math.sqrt(bound / largest_score(known))
        unit.qkv.weight.data[:joint] *= factor
        unit.qkv.bias.data[:joint] *= factor


def test_units_with_large_scores_keep_their_softmax() -> None:
    model = small_model("v1", depth=2)
    units = parts_of(model, MultiHeadSelfAttention)
    for _, unit in units[:2]:
        unit.qkv.weight.data *= 1e3
    changed, outcome = rewritten(model, NAME)
    assert outcome.sites == len(units) - 2 > 0
    kept = [
        n for n, unit in parts_of(changed, ExplicitAttention) if type(unit) is ExplicitAttention
    ]
    assert kept == [name for name, _ in units[:2]]


@pytest.mark.parametrize("factor", [1e3, math.nan, math.inf])
def test_without_a_unit_that_fits_it_is_refused_with_the_bound(factor: float) -> None:
    model = small_model("v1")
    for _, unit in parts_of(model, MultiHeadSelfAttention):
        unit.qkv.weight.data *= factor
    plain = prepared_for(model, NAME)
    before = fingerprint(plain)
    outcome = apply_alone(plain, NAME)
    assert outcome.sites == 0
    assert outcome.refused is not None
    assert "layer2.2.layers.0.attention: a score may reach" in outcome.refused
    if math.isfinite(factor):
        assert_unchanged(plain, before)
