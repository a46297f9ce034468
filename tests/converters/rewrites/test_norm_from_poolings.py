"""GroupNorm(1) from global average pools."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.rewrites.norm_from_poolings import PooledNorm
from mobilevit_edge.models.blocks import MapBlock
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    EXACT,
    MAP_LINES,
    assert_exact,
    assert_refused,
    batches_of_images,
    chain,
    count,
    difference,
    few,
    noise,
    ranks,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "norm_from_poolings"
EPS = 1e-5


@few
@given(small_specs(*MAP_LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


@few
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(1, 4), st.integers(1, 9)),
    mean=st.sampled_from([0.0, -3.0, 1e3]),
    scale=st.sampled_from([1e-4, 1.0, 1e4]),
)
def test_the_norm_is_group_norm_with_one_group(
    shape: tuple[int, int, int, int], mean: float, scale: float
) -> None:
    x = scale * noise(*shape) + mean
    # 1e3 + 1e-4 keeps nine digits of the noise in float64.
    tolerance = 1e-7 if abs(mean) > 1e4 * scale else EXACT
    assert difference(PooledNorm(EPS)(x), F.group_norm(x, 1, eps=EPS)) < tolerance


@pytest.mark.parametrize(
    ("dtype", "mean", "scale", "tolerance"),
    [
        # The mean's own rounding, 1e3 * 6e-8 of a deviation of 1, remains; uncentered squares
        # would be off by 1e6 * 6e-8.
        (torch.float32, 1e3, 1.0, 1e-3),
        # Uncentered squares of 1e3 would overflow.
        (torch.float16, 1e3, 30.0, 2e-2),
    ],
)
def test_a_large_mean_does_not_cancel_in_short_numbers(
    dtype: torch.dtype, mean: float, scale: float, tolerance: float
) -> None:
    x = (scale * noise(2, 8, 4, 9) + mean).to(dtype)
    expected = F.group_norm(x.double(), 1, eps=EPS)
    assert difference(PooledNorm(EPS)(x), expected) < tolerance


def test_no_group_norm_is_left_and_only_pools_replace_it() -> None:
    model = small_model(small_spec("mobilevitv2_050", depth=2))
    changed, outcome = rewritten(model, chain(NAME))
    assert outcome.sites == count(model, nn.GroupNorm) == count(changed, PooledNorm) == 15
    assert count(changed, nn.GroupNorm) == 0
    recorded = ranks(PooledNorm(EPS), noise(2, 8, 4, 9))
    assert recorded.operators == {"mean", "permute", "sub", "mul", "add", "rsqrt"}
    assert recorded.largest == 4


def test_more_than_one_group_is_refused() -> None:
    model, _ = rewritten(small_model(small_spec("mobilevitv2_050")), chain(NAME)[:-1])
    block = next(part for part in model.modules() if isinstance(part, MapBlock))
    block.norm = nn.GroupNorm(2, 8, affine=False)
    assert_refused(model, NAME, "2 groups")
