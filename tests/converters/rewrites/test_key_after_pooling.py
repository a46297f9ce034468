"""Keys of separable attention, projected after pooling."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from converters.rewrites.key_after_pooling import PooledKeyAttention
from mobilevit_edge.models.attention import SeparableSelfAttention, TokenSeparableSelfAttention
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    EXACT,
    MAP_LINES,
    assert_exact,
    batches_of_images,
    count,
    exact_arithmetic,
    few,
    macs,
    noise,
    randomize,
    relative_error,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "key_after_pooling"


def pair(dim: int) -> tuple[SeparableSelfAttention, PooledKeyAttention]:
    unit = SeparableSelfAttention(dim).double()
    randomize(unit)
    with exact_arithmetic():
        return unit, PooledKeyAttention.from_reference(unit)


@few
@given(small_specs(*MAP_LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


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
    unit = SeparableSelfAttention(dim).double()
    randomize(unit)
    unit.qkv.bias[0] = 50.0
    with exact_arithmetic():
        changed = PooledKeyAttention.from_reference(unit)
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


def test_only_attention_on_maps_is_rewritten() -> None:
    on_maps = small_model(small_spec("mobilevitv2_050", depth=2))
    changed, outcome = rewritten(on_maps, [NAME])
    assert outcome.sites == count(changed, PooledKeyAttention) == 6
    assert count(changed, SeparableSelfAttention) == 0
    on_tokens = small_model(small_spec("mobilevit_xxs", attention="separable"))
    changed, outcome = rewritten(on_tokens, [NAME])
    assert (outcome.sites, outcome.refused) == (0, None)
    assert count(changed, TokenSeparableSelfAttention) == 3
