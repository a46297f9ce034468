"""Scale and shift of layer and group norms inside the projection after them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.rewrites import algebra
from converters.rewrites.base import parts_of
from mobilevit_edge.models.blocks import (
    MapBlock,
    MapTransformerLayer,
    TokenBlock,
    TokenTransformerLayer,
)
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    EXACT,
    LINES,
    assert_exact,
    batches_of_images,
    chain,
    count,
    difference,
    exact_arithmetic,
    few,
    noise,
    randomize,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "norm_affine_fold"


@few
@given(small_specs(*LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


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
    with exact_arithmetic():
        folded = algebra.fold_affine(norm, layer, columns)
    x = noise(2, 7, 3, 5, mean=mean)
    plain, affine = x.clone(), x.clone()
    plain[:, columns] = nn.functional.group_norm(x[:, columns], 1, eps=norm.eps)
    affine[:, columns] = norm(x[:, columns])
    assert difference(folded(plain), layer(affine)) < EXACT


@pytest.mark.parametrize("line", LINES)
def test_no_norm_with_scale_and_shift_is_left(line: str) -> None:
    model = small_model(small_spec(line, depth=2))
    changed, outcome = rewritten(model, chain(NAME))
    layers = count(model, MapTransformerLayer, TokenTransformerLayer)
    assert outcome.sites == 2 * layers + count(model, MapBlock, TokenBlock) == 15
    norms = [norm for kind in (nn.LayerNorm, nn.GroupNorm) for _, norm in parts_of(changed, kind)]
    assert len(norms) == outcome.sites
    assert all(norm.weight is None and norm.bias is None for norm in norms)
