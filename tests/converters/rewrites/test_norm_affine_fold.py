"""Scale and shift of layer and group norms inside the projection after them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from converters.rewrites import algebra
from converters.rewrites.base import parts_of
from tests.support.networks import BLOCKS, FAMILIES, Family
from tests.support.rewrites import (
    EXACT,
    difference,
    few,
    noise,
    randomize,
    rewritten,
    small_model,
)

NAME = "norm_affine_fold"


@few
@given(
    start=st.integers(0, 3),
    scale=st.sampled_from([0.0, 1e-6, 1e3]),
    shift=st.sampled_from([0.0, -1e3]),
    mean=st.sampled_from([0.0, 1e3]),
)
@torch.no_grad()
def test_a_projection_of_normed_and_other_channels_keeps_the_others(
    start: int, scale: float, shift: float, mean: float
) -> None:
    norm, layer = nn.GroupNorm(1, 4).double(), nn.Conv2d(7, 5, 1).double()
    randomize(norm, 1)
    randomize(layer, 2)
    norm.weight.mul_(scale)
    norm.bias.add_(shift)
    columns = slice(start, start + 4)
    folded = algebra.fold_affine(norm, layer, columns)
    x = noise(2, 7, 3, 5, mean=mean)
    plain, affine = x.clone(), x.clone()
    plain[:, columns] = nn.functional.group_norm(x[:, columns], 1, eps=norm.eps)
    affine[:, columns] = norm(x[:, columns])
    assert difference(folded(plain), layer(affine)) < EXACT


@pytest.mark.parametrize("family", FAMILIES)
def test_no_norm_with_scale_and_shift_is_left(family: Family) -> None:
    changed, outcome = rewritten(small_model(family, depth=2), NAME)
    norms = [norm for kind in (nn.LayerNorm, nn.GroupNorm) for _, norm in parts_of(changed, kind)]
    assert outcome.sites == len(norms) == BLOCKS * (2 * 2 + 1)
    assert all(norm.weight is None and norm.bias is None for norm in norms)
