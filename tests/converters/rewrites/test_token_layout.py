"""Whole pixels unfold into tokens, channels last."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from converters.rewrites.base import parts_of
from converters.rewrites.token_layout import PixelTokenBlock, from_tokens, to_tokens
from mobilevit_edge.models.layers import FoldTokens, UnfoldTokens
from tests.support.networks import TOKENS, Family
from tests.support.rewrites import count, few, macs, noise, record, rewritten, small_model

NAME = "token_layout"
sides = st.integers(1, 6)


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


@pytest.mark.parametrize("family", TOKENS)
def test_no_tensor_has_six_axes(family: Family) -> None:
    model = small_model(family)
    x = noise(2, 3, 18, 16)
    assert record(model, x).largest_rank == 6
    changed, _ = rewritten(model, NAME)
    assert count(changed, UnfoldTokens, FoldTokens) == 0
    assert record(changed, x).largest_rank == 5
    entrances = {type(block.enter) for _, block in parts_of(changed, PixelTokenBlock)}
    # V3's fusion reads the local features as a map.
    assert entrances == {nn.Linear if family == "v1" else nn.Conv2d}


@pytest.mark.parametrize("family", TOKENS)
def test_it_costs_no_multiply_adds_where_the_patch_divides_the_maps(family: Family) -> None:
    model = small_model(family)
    changed, _ = rewritten(model, NAME)
    x = noise(1, 3, 32, 64)
    assert macs(changed, x) == macs(model, x)
