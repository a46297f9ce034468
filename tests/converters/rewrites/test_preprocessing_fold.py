"""Scaling, deviations and channel order of the input inside the stem."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from converters.rewrites.base import Context, InputScaling, Outcome
from mobilevit_edge.preprocess import ChannelOrder
from tests.support.networks import FAMILIES, Family
from tests.support.rewrites import EXACT, difference, few, rewritten, small_model

NAME = "preprocessing_fold"


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("names", [[NAME], [NAME, "batch_norm_fold"], ["batch_norm_fold", NAME]])
@few
@given(
    family=st.sampled_from(FAMILIES),
    batch=st.integers(1, 3),
    height=st.integers(8, 40),
    width=st.integers(8, 40),
)
@torch.no_grad()
def test_rgb_bytes_give_what_scaled_and_ordered_pixels_give(
    names: list[str], order: ChannelOrder, family: Family, batch: int, height: int, width: int
) -> None:
    model = small_model(family)
    std = (0.229, 0.224, 0.225)
    factors = tuple(1 / 255 / value for value in std)
    context = Context((height, width), InputScaling(factors, flip=order == "BGR"))
    changed, _ = rewritten(model, *names, context=context)
    random = torch.Generator().manual_seed(height)
    pixels = torch.randint(0, 256, (batch, 3, height, width), generator=random).double()
    # [3] -> [3, 1, 1], over [B, 3, H, W]
    deviations = torch.tensor(std, dtype=torch.float64)[:, None, None]
    scaled = (pixels.flip(1) if order == "BGR" else pixels) / 255 / deviations
    assert difference(changed(pixels), model(scaled)) < EXACT


def test_without_raw_pixels_nothing_changes() -> None:
    model = small_model("v1")
    changed, outcome = rewritten(model, NAME)
    assert outcome == Outcome(NAME, 0)
    assert torch.equal(changed.stem.conv.weight, model.stem.conv.weight)
