"""V2's layers on tokens with channels last."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from converters.rewrites.base import parts_of
from converters.rewrites.pixel_layout import PixelFold, PixelUnfold
from mobilevit_edge.models.attention import SeparableSelfAttention
from mobilevit_edge.models.blocks import MapTransformerLayer
from mobilevit_edge.models.layers import FoldMaps, UnfoldMaps
from tests.support.networks import MAPS, Family
from tests.support.rewrites import count, macs, noise, record, rewritten, small_model

NAME = "pixel_layout"


def test_pixels_of_images_keep_their_image() -> None:
    x = noise(3, 5, 4, 6)
    tokens = PixelUnfold()(x)
    # [B, d, P, N] -> [P, B, N, d]
    assert torch.equal(tokens, UnfoldMaps()(x).permute(2, 0, 3, 1))
    assert torch.equal(PixelFold()(tokens, (4, 6)), x)


@pytest.mark.parametrize("family", MAPS)
def test_layers_are_linear_and_cost_the_same(family: Family) -> None:
    model = small_model(family)
    before, _ = rewritten(model, "key_after_pooling")
    changed, _ = rewritten(model, NAME)
    assert count(changed, UnfoldMaps, FoldMaps, SeparableSelfAttention, nn.GroupNorm) == 0
    for _, layer in parts_of(changed, MapTransformerLayer):
        assert count(layer, nn.Conv2d) == 0
    x = noise(1, 3, 32, 64)
    assert macs(changed, x) == macs(before, x)
    assert record(changed, x).largest_rank == 5
