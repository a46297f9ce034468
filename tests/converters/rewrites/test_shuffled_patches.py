"""Patches that unfold by a convolution and fold by a pixel shuffle."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from converters.rewrites.shuffled_patches import ConvUnfoldMaps, ShuffleFoldMaps
from mobilevit_edge.models.layers import UnfoldMaps
from tests.support.rewrites import few, noise, record

sides = st.integers(1, 6)


@few
@given(st.integers(1, 3), st.integers(1, 5), sides, sides)
def test_the_same_numbers_move_to_the_same_places(b: int, d: int, h: int, w: int) -> None:
    x, size = noise(b, d, 2 * h, 2 * w), (2 * h, 2 * w)
    patches = UnfoldMaps()(x)
    assert torch.equal(ConvUnfoldMaps(d, torch.float64)(x), patches)
    assert torch.equal(ShuffleFoldMaps()(patches, size), x)


def test_unfolding_is_a_convolution_and_folding_a_pixel_shuffle() -> None:
    # torch computes a pixel shuffle by way of rank 6; runtimes have an operator for it.
    moves = {"view", "_unsafe_view", "clone", "permute"}
    unfolding = record(ConvUnfoldMaps(3, torch.float64), noise(2, 3, 8, 4))
    assert unfolding.operators.keys() - moves == {"convolution"}
    assert unfolding.largest_rank == 4
    folding = record(ShuffleFoldMaps(), noise(2, 3, 4, 8), (8, 4))
    assert folding.operators.keys() - moves <= {"pixel_shuffle"}
