"""The rewrites instance_norm, joint_norm and norm_from_poolings: a norm by other operators."""

from __future__ import annotations

import pytest
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from converters.rewrites.instance_norm import MapInstanceNorm, TokenInstanceNorm
from converters.rewrites.joint_norm import JointNorm
from converters.rewrites.norm_from_poolings import PooledNorm
from tests.support.rewrites import EXACT, difference, few, noise, record

EPS = 1e-5
means = st.sampled_from([0.0, -3.0, 1e3])
group_norms = pytest.mark.parametrize("norm", [MapInstanceNorm, JointNorm, PooledNorm])


@group_norms
@few
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(1, 4), st.integers(1, 9)),
    mean=means,
    scale=st.sampled_from([1e-4, 1.0, 1e4]),
)
def test_the_norm_of_maps_is_group_norm_with_one_group(
    norm: type[nn.Module], shape: tuple[int, int, int, int], mean: float, scale: float
) -> None:
    x = scale * noise(*shape) + mean
    # 1e3 + 1e-4 keeps nine digits of the noise in float64.
    tolerance = 1e-7 if abs(mean) > 1e4 * scale else EXACT
    assert difference(norm(EPS)(x), F.group_norm(x, 1, eps=EPS)) < tolerance


@few
@given(st.integers(1, 3), st.integers(1, 9), st.integers(2, 9), means)
def test_the_norm_of_tokens_is_layer_norm(b: int, n: int, d: int, mean: float) -> None:
    x = noise(b, n, d, mean=mean)
    assert difference(TokenInstanceNorm(EPS)(x), F.layer_norm(x, (d,), eps=EPS)) < EXACT


@group_norms
def test_a_large_mean_does_not_cancel_in_fp32(norm: type[nn.Module]) -> None:
    x = noise(2, 8, 4, 9, mean=1e3).float()
    expected = F.group_norm(x.double(), 1, eps=EPS)
    # What remains is the mean's own rounding, 1e3 * 6e-8 of a deviation of 1; squares that are not
    # centered would be off by 1e6 * 6e-8.
    assert difference(norm(EPS)(x), expected) < (1e-4 if norm is JointNorm else 1e-3)


def test_a_large_mean_of_tokens_does_not_cancel_in_fp32() -> None:
    x = noise(2, 8, 36, mean=1e3).float()
    expected = F.layer_norm(x.double(), (36,), eps=EPS)
    assert difference(TokenInstanceNorm(EPS)(x), expected) < 1e-3


def test_pooled_squares_do_not_overflow_in_fp16() -> None:
    x = noise(2, 8, 4, 9).mul(30).add(1e3).half()
    # Squares of 1e3 that are not centered would.
    assert difference(PooledNorm(EPS)(x), F.group_norm(x.double(), 1, eps=EPS)) < 2e-2


@pytest.mark.parametrize(
    ("norm", "operators"),
    [
        (JointNorm, {"mean", "sub", "mul", "add", "rsqrt"}),
        (PooledNorm, {"mean", "permute", "sub", "mul", "add", "rsqrt"}),
    ],
)
def test_rank_stays_at_four(norm: type[nn.Module], operators: set[str]) -> None:
    recorded = record(norm(EPS), noise(2, 8, 4, 9))
    assert recorded.operators.keys() == operators
    assert recorded.largest_rank == 4
