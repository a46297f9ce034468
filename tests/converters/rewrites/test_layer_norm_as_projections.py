"""LayerNorm as a projection, on a stream of zero mean."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.rewrites import algebra
from converters.rewrites.base import parts_of
from converters.rewrites.layer_norm_as_projections import CenteredNorm
from mobilevit_edge.models.blocks import TokenTransformerLayer
from tests.support.networks import BLOCKS, TOKENS, Family
from tests.support.rewrites import (
    EXACT,
    assert_exact,
    difference,
    few,
    noise,
    randomize,
    rewritten,
    small_model,
)

NAME = "layer_norm_as_projections"


@torch.no_grad()
def test_a_large_mean_of_the_stream_is_gone_before_it_can_cancel() -> None:
    model = small_model("v1", depth=2)
    for _, layer in parts_of(model, TokenTransformerLayer):
        layer.attention.out.bias += 1e3  # type: ignore[operator, union-attr]
        layer.ffn_out.bias += 1e3
    assert_exact(model, noise(2, 3, 16, 16), NAME)


@few
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(2, 12)),
    mean=st.sampled_from([0.0, 1e3]),
    scale=st.sampled_from([0.0, 1e-4, 1.0, 1e3]),
)
@torch.no_grad()
def test_the_norm_of_a_centered_projection_is_layer_norm_of_the_projection(
    shape: tuple[int, int, int], mean: float, scale: float
) -> None:
    *_, dim = shape
    writer = nn.Linear(dim, dim).double()
    randomize(writer)
    writer.weight.mul_(scale)
    x = noise(*shape, mean=mean)
    norm = CenteredNorm(dim, 1e-5, torch.float64)
    centered = algebra.center_outputs(writer)
    expected = nn.functional.layer_norm(writer(x), (dim,), eps=1e-5)
    assert difference(norm(centered(x)), expected) < EXACT


@pytest.mark.parametrize("family", TOKENS)
@torch.no_grad()
def test_every_norm_sees_a_mean_of_zero(family: Family) -> None:
    changed, _ = rewritten(small_model(family, depth=2), NAME)
    means: list[float] = []

    def record(module: nn.Module, inputs: tuple[Tensor]) -> None:
        (x,) = inputs
        means.append(float(x.mean(-1).abs().max() / x.abs().max()))

    for _, norm in parts_of(changed, CenteredNorm):
        norm.register_forward_pre_hook(record)
    changed(noise(2, 3, 18, 16, mean=10.0))
    assert len(means) == BLOCKS * (2 * 2 + 1)
    assert max(means) < 1e-12
