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
from converters.rewrites.token_layout import PixelTokenBlock
from mobilevit_edge.models.blocks import TokenTransformerLayer
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    EXACT,
    TOKEN_LINES,
    assert_exact,
    assert_refused,
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

NAME = "layer_norm_as_projections"


@few
@given(small_specs(*TOKEN_LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


@pytest.mark.parametrize("attention", ["separable", "linformer"])
@pytest.mark.parametrize("line", TOKEN_LINES)
def test_the_network_stays_the_same_with_other_attention(line: str, attention: str) -> None:
    model = small_model(small_spec(line, attention=attention, depth=2))
    assert_exact(model, NAME, noise(2, 3, 72, 64))


@torch.no_grad()
def test_a_large_mean_of_the_stream_is_gone_before_it_can_cancel() -> None:
    model = small_model(small_spec("mobilevit_xxs", depth=2))
    for _, layer in parts_of(model, TokenTransformerLayer):
        layer.attention.out.bias += 1e3  # type: ignore[operator, union-attr]
        layer.ffn_out.bias += 1e3
    assert_exact(model, NAME, noise(2, 3, 64, 64))


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
    with exact_arithmetic():
        norm, centered = CenteredNorm(dim, 1e-5), algebra.center_outputs(writer)
    expected = nn.functional.layer_norm(writer(x), (dim,), eps=1e-5)
    assert difference(norm(centered(x)), expected) < EXACT


@pytest.mark.parametrize("line", TOKEN_LINES)
@torch.no_grad()
def test_no_layer_norm_is_left_and_every_norm_sees_a_mean_of_zero(line: str) -> None:
    model = small_model(small_spec(line, depth=2))
    changed, outcome = rewritten(model, chain(NAME))
    assert outcome.sites == count(model, nn.LayerNorm) == count(changed, CenteredNorm) == 15
    assert count(changed, nn.LayerNorm) == 0
    means: list[float] = []

    def record(module: nn.Module, inputs: tuple[Tensor]) -> None:
        (x,) = inputs
        means.append(float(x.mean(-1).abs().max() / x.abs().max()))

    for _, norm in parts_of(changed, CenteredNorm):
        norm.register_forward_pre_hook(record)
    changed(noise(2, 3, 72, 64, mean=10.0))
    assert len(means) == 15
    assert max(means) < 1e-12


def test_a_norm_that_still_has_scale_and_shift_is_refused() -> None:
    model, _ = rewritten(small_model(small_spec("mobilevit_xxs")), chain(NAME)[:-1])
    block = parts_of(model, PixelTokenBlock)[-1][1]
    block.norm = nn.LayerNorm(8, dtype=torch.float64)
    assert_refused(model, NAME, "scale and shift")
