"""Whole pixels unfold into tokens, channels last."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.rewrites.base import parts_of
from converters.rewrites.token_layout import PixelTokenBlock, from_tokens, to_tokens
from mobilevit_edge.models.blocks import TokenBlock
from mobilevit_edge.models.layers import FoldTokens, UnfoldTokens
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    EXACT,
    TOKEN_LINES,
    assert_exact,
    batches_of_images,
    chain,
    count,
    few,
    macs,
    noise,
    ranks,
    relative_error,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "token_layout"
sides = st.integers(1, 6)


@few
@given(small_specs(*TOKEN_LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


@pytest.mark.parametrize("attention", ["separable", "linformer"])
def test_the_network_stays_the_same_with_other_attention(attention: str) -> None:
    model = small_model(small_spec("mobilevit_xxs", attention=attention))
    assert_exact(model, NAME, noise(2, 3, 72, 64))


@few
@given(st.integers(1, 3), st.integers(1, 5), sides, sides)
def test_tokens_are_those_of_the_reference_with_the_phases_outermost(
    b: int, c: int, h: int, w: int
) -> None:
    x = noise(b, c, 2 * h, 2 * w)
    tokens = to_tokens(x)
    expected = UnfoldTokens()(x).reshape(b, 4, h * w, c).transpose(0, 1)
    assert torch.equal(tokens.reshape(4, b, h * w, c), expected)
    assert torch.equal(from_tokens(tokens, (2 * h, 2 * w)), x)


@pytest.mark.parametrize("line", TOKEN_LINES)
def test_every_block_is_rewritten_and_no_tensor_has_six_axes(line: str) -> None:
    model = small_model(small_spec(line))
    x = noise(2, 3, 72, 64)
    assert ranks(model, x).largest == 6
    changed, outcome = rewritten(model, chain(NAME))
    assert outcome.sites == count(changed, PixelTokenBlock) == 3
    assert count(changed, TokenBlock, UnfoldTokens, FoldTokens) == 0
    assert ranks(changed, x).largest == 5
    entrances = {type(block.enter) for _, block in parts_of(changed, PixelTokenBlock)}
    # V3's fusion reads the local features as a map.
    assert entrances == {nn.Linear if line == "mobilevit_xxs" else nn.Conv2d}
    assert relative_error(changed, model, x) < EXACT


@pytest.mark.parametrize("line", TOKEN_LINES)
def test_it_costs_no_multiply_adds_where_the_patch_divides_the_maps(line: str) -> None:
    model = small_model(small_spec(line))
    changed, _ = rewritten(model, chain(NAME))
    x = noise(1, 3, 64, 128)
    assert macs(changed, x) == macs(model, x)
