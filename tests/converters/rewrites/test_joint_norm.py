"""GroupNorm(1) as means over channels and positions together."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.rewrites.joint_norm import JointNorm
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

NAME = "joint_norm"
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
    assert difference(JointNorm(EPS)(x), F.group_norm(x, 1, eps=EPS)) < tolerance


def test_a_large_mean_costs_fp32_no_digits() -> None:
    x = noise(2, 8, 4, 9).float() + 1e3
    expected = F.group_norm(x.double(), 1, eps=EPS)
    # x itself is rounded to 6e-5 at 1e3; the mean of squares instead would lose them all.
    assert difference(JointNorm(EPS)(x), expected) < 1e-4


@pytest.mark.parametrize("line", MAP_LINES)
def test_every_norm_is_rewritten_in_rank_four(line: str) -> None:
    model = small_model(small_spec(line, depth=2))
    changed, outcome = rewritten(model, chain(NAME))
    assert outcome.sites == count(changed, JointNorm) == 3 * (2 * 2 + 1)
    assert count(changed, nn.GroupNorm) == 0
    assert ranks(JointNorm(EPS), noise(2, 3, 4, 5)).largest == 4


def test_norms_of_several_groups_are_refused() -> None:
    model = small_model(small_spec("mobilevitv2_050"))
    model.layer3[1].norm = nn.GroupNorm(2, 8, dtype=torch.float64)  # type: ignore[union-attr,index]
    assert_refused(model, NAME, "has 2 groups instead of one")
