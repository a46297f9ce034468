"""Patches that unfold by a convolution and fold by a pixel shuffle."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from converters.rewrites.shuffled_patches import ConvUnfoldMaps, ShuffleFoldMaps
from mobilevit_edge.models.layers import FoldMaps, UnfoldMaps
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    MAP_LINES,
    assert_exact,
    batches_of_images,
    chain,
    count,
    few,
    noise,
    ranks,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "shuffled_patches"
sides = st.integers(1, 6)


@few
@given(small_specs(*MAP_LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


@few
@given(st.integers(1, 3), st.integers(1, 5), sides, sides)
def test_the_same_numbers_move_to_the_same_places(b: int, d: int, h: int, w: int) -> None:
    x, size = noise(b, d, 2 * h, 2 * w), (2 * h, 2 * w)
    patches = UnfoldMaps()(x)
    assert torch.equal(ConvUnfoldMaps(d).double()(x), patches)
    assert torch.equal(ShuffleFoldMaps()(patches, size), x)


@pytest.mark.parametrize("line", MAP_LINES)
def test_every_unfolding_is_rewritten_and_no_tensor_of_it_has_five_axes(line: str) -> None:
    model = small_model(small_spec(line))
    changed, outcome = rewritten(model, chain(NAME))
    assert outcome.sites == 6
    assert count(changed, UnfoldMaps, FoldMaps) == 0
    for part in (ConvUnfoldMaps(3).double(), ShuffleFoldMaps()):
        inputs = (
            (noise(2, 3, 8, 4),)
            if isinstance(part, ConvUnfoldMaps)
            else (
                noise(2, 3, 4, 8),
                (8, 4),
            )
        )
        # torch computes a pixel shuffle by way of rank 6; runtimes have an operator for it.
        assert ranks(part, *inputs).operators <= {
            *("convolution", "view", "_unsafe_view", "clone", "pixel_shuffle", "permute"),
        }


def test_models_of_the_other_line_have_nothing_to_do() -> None:
    _, outcome = rewritten(small_model(small_spec("mobilevit_xxs")), chain(NAME))
    assert (outcome.sites, outcome.refused) == (0, None)
