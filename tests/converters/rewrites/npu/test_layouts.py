"""Where the NPU's rewrites put pixels, and where they stop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from converters.rewrites.base import Context
from converters.rewrites.npu import folded_attention, padded_heads
from converters.rewrites.npu.band_layout import BandAttention, FoldBands, UnfoldBands
from converters.rewrites.npu.folded_attention import FoldedAttention
from converters.rewrites.npu.padded_heads import VECTOR, PaddedHeadAttention
from converters.rewrites.npu.phase_mask import MAX_TOKENS, MaskedAttention, phases_of_pixels
from converters.rewrites.npu.stem_space_to_depth import SpaceToDepthConv
from mobilevit_edge.models.layers import UnfoldTokens
from tests.support.networks import FAMILIES, TOKENS, Family
from tests.support.rewrites import (
    assert_exact,
    assert_refused,
    count,
    difference,
    few,
    noise,
    rewritten,
    small_model,
)

sides = st.integers(1, 6)


@few
@given(st.integers(1, 3), st.integers(1, 5), sides, sides)
def test_bands_hold_the_tokens_of_one_phase_and_fold_back(b: int, c: int, h: int, w: int) -> None:
    x = noise(b, c, 2 * h, 2 * w)
    bands = UnfoldBands()(x)
    assert torch.equal(FoldBands()(bands, (2 * h, 2 * w)), x)
    found = bands.reshape(4 * b, h * w, c)
    expected = UnfoldTokens()(x)
    # In any order: attention treats tokens alike.
    assert torch.equal(found.sort(dim=1).values, expected.sort(dim=1).values)


@pytest.mark.parametrize("size", [(4, 4), (2, 6)])
def test_a_mask_lets_tokens_see_their_own_phase_alone(size: tuple[int, int]) -> None:
    phases = phases_of_pixels(size)
    pixels = torch.arange(phases.numel(), dtype=torch.float64).reshape(1, 1, *size)
    for phase, tokens in enumerate(UnfoldTokens()(pixels)):
        assert set(tokens.flatten().tolist()) == set((phases == phase).nonzero().flatten().tolist())


def test_only_small_maps_are_masked() -> None:
    model = small_model("v1")
    for side, masked in ((32, 2), (64, 1), (72, 0)):
        changed, outcome = rewritten(model, "phase_mask", context=Context((side, side)))
        assert outcome.sites == masked
        kept = [p for p in changed.modules() if isinstance(p, MaskedAttention)]
        assert all(part.mask.shape[1] <= MAX_TOKENS for part in kept)


@pytest.mark.parametrize("family", TOKENS)
@pytest.mark.parametrize("joint", [True, False])
def test_folded_attention_is_exact_with_one_product_or_one_a_head(
    monkeypatch: pytest.MonkeyPatch, family: Family, joint: bool
) -> None:
    monkeypatch.setattr(folded_attention, "MAX_JOINT_TOKENS", 10_000 if joint else 0)
    assert_exact(small_model(family, dim=12), noise(2, 3, 40, 24), "folded_attention")


def test_wide_and_masked_units_are_not_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model("v1", dim=12)
    assert rewritten(model, "folded_attention")[1].sites == 2
    assert rewritten(model, "phase_mask", "folded_attention")[1].sites == 1
    monkeypatch.setattr(folded_attention, "MAX_DIM", 8)
    changed, outcome = rewritten(model, "folded_attention")
    assert outcome.sites == 0
    assert count(changed, FoldedAttention) == 0


@pytest.mark.parametrize("family", TOKENS)
def test_heads_are_padded_where_there_are_many_tokens(
    monkeypatch: pytest.MonkeyPatch, family: Family
) -> None:
    model = small_model(family, dim=12)
    assert rewritten(model, "padded_heads")[1].sites == 0
    monkeypatch.setattr(padded_heads, "MIN_TOKENS", 1)
    changed, outcome = rewritten(model, "padded_heads")
    assert outcome.sites == count(changed, PaddedHeadAttention) == 2
    units = [part for part in changed.modules() if isinstance(part, PaddedHeadAttention)]
    assert {unit.query.conv.out_channels for unit in units} == {4 * VECTOR}
    assert count(changed, BandAttention) == 0
    assert_exact(model, noise(2, 3, 40, 24), "padded_heads")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stem_reads_whole_pixels(family: Family) -> None:
    model = small_model(family)
    changed, outcome = rewritten(model, "stem_space_to_depth", context=Context((34, 26)))
    assert outcome.sites == count(changed, SpaceToDepthConv) == 1
    assert next(changed.parameters()).dtype == torch.float64
    with torch.no_grad():
        x = noise(2, 3, 34, 26)
        assert difference(changed(x), model(x)) < 1e-9


def test_a_stem_that_does_not_fit_is_refused() -> None:
    model = small_model("v1")
    outcome = rewritten(model, "stem_space_to_depth", context=Context((33, 32)))[1]
    assert outcome.refused == "an image of 33x32 has an odd side"
    model.stem.conv = nn.Conv2d(3, 5, 5, stride=2, padding=2, dtype=torch.float64)
    assert_refused(model, "stem_space_to_depth", "no 3x3 convolution")
