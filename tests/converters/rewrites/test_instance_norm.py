"""Layer and group norms as instance norms."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.rewrites.instance_norm import MapInstanceNorm, TokenInstanceNorm
from mobilevit_edge.models.blocks import MapBlock
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    EXACT,
    LINES,
    assert_exact,
    assert_refused,
    batches_of_images,
    chain,
    count,
    difference,
    few,
    noise,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "instance_norm"
EPS = 1e-5
means = st.sampled_from([0.0, -3.0, 1e3])


@few
@given(small_specs(*LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


@few
@given(st.integers(1, 3), st.integers(1, 9), st.integers(2, 9), means)
def test_the_norm_of_tokens_is_layer_norm(b: int, n: int, d: int, mean: float) -> None:
    x = noise(b, n, d, mean=mean)
    assert difference(TokenInstanceNorm(EPS)(x), F.layer_norm(x, (d,), eps=EPS)) < EXACT


@few
@given(st.integers(1, 3), st.integers(2, 9), st.integers(1, 4), st.integers(1, 9), means)
def test_the_norm_of_maps_is_group_norm(b: int, d: int, p: int, n: int, mean: float) -> None:
    x = noise(b, d, p, n, mean=mean)
    assert difference(MapInstanceNorm(EPS)(x), F.group_norm(x, 1, eps=EPS)) < EXACT


def test_a_large_mean_does_not_cancel_in_fp32() -> None:
    x = noise(2, 8, 4, 9, mean=1e3).float()
    expected = F.group_norm(x.double(), 1, eps=EPS)
    # Of a deviation of 1, the mean's own rounding is 1e3 * 6e-8.
    assert difference(MapInstanceNorm(EPS)(x), expected) < 1e-3
    tokens = x.flatten(2)
    expected = F.layer_norm(tokens.double(), (36,), eps=EPS)
    assert difference(TokenInstanceNorm(EPS)(tokens), expected) < 1e-3


@pytest.mark.parametrize("line", LINES)
def test_no_layer_norm_and_no_group_norm_is_left(line: str) -> None:
    model = small_model(small_spec(line, depth=2))
    changed, outcome = rewritten(model, chain(NAME))
    assert outcome.sites == count(model, nn.LayerNorm, nn.GroupNorm) == 15
    assert count(changed, TokenInstanceNorm, MapInstanceNorm) == 15
    assert count(changed, nn.LayerNorm, nn.GroupNorm) == 0


def test_more_than_one_group_is_refused() -> None:
    model, _ = rewritten(small_model(small_spec("mobilevitv2_050")), chain(NAME)[:-1])
    block = [part for part in model.modules() if isinstance(part, MapBlock)][-1]
    block.norm = nn.GroupNorm(4, 8, affine=False, dtype=torch.float64)
    assert_refused(model, NAME, "4 groups")
