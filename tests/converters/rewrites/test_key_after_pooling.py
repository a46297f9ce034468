"""Keys of separable attention, projected after pooling."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from converters.rewrites.base import Outcome
from converters.rewrites.key_after_pooling import PooledKeyAttention
from mobilevit_edge.models.attention import SeparableSelfAttention, TokenSeparableSelfAttention
from tests.support.networks import BLOCKS
from tests.support.rewrites import (
    EXACT,
    count,
    few,
    macs,
    noise,
    randomize,
    relative_error,
    rewritten,
    small_model,
)

NAME = "key_after_pooling"


def pair(dim: int) -> tuple[SeparableSelfAttention, PooledKeyAttention]:
    unit = SeparableSelfAttention(dim).double()
    randomize(unit)
    unit.qkv.bias.data[0] = 50.0  # the query's, which softmax ignores
    return unit, PooledKeyAttention.from_reference(unit)


@few
@given(
    dim=st.integers(1, 9),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9)),
    mean=st.sampled_from([0.0, 1e3]),
)
@torch.no_grad()
def test_the_unit_stays_the_same_whatever_the_queries_bias(
    dim: int, shape: tuple[int, int, int], mean: float
) -> None:
    unit, changed = pair(dim)
    batch, pixels, patches = shape
    x = noise(batch, dim, pixels, patches, mean=mean)
    assert relative_error(changed, unit, x) < EXACT


@pytest.mark.parametrize(("dim", "pixels", "patches"), [(8, 4, 16), (5, 4, 1)])
def test_keys_cost_one_product_for_each_position_in_the_patch(
    dim: int, pixels: int, patches: int
) -> None:
    unit, changed = pair(dim)
    x = noise(1, dim, pixels, patches)
    # query, value and output for every token; the key for every pixel of the patch
    per_token = dim + 2 * dim * dim
    assert macs(unit, x) == (per_token + dim * dim) * pixels * patches
    assert macs(changed, x) == per_token * pixels * patches + dim * dim * pixels


def test_separable_attention_on_tokens_is_left_as_it_is() -> None:
    changed, outcome = rewritten(small_model("v1", attention="separable"), NAME)
    assert outcome == Outcome(NAME, 0)
    assert count(changed, TokenSeparableSelfAttention) == BLOCKS
