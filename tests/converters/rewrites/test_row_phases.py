"""Patches that unfold in two moves, rows and then pixels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from converters.rewrites.row_phases import (
    RowFoldMaps,
    RowFoldTokens,
    RowUnfoldMaps,
    RowUnfoldTokens,
)
from mobilevit_edge.models.layers import FoldMaps, FoldTokens, UnfoldMaps, UnfoldTokens
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    LINES,
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

NAME = "row_phases"
FORMS = {
    "maps": (UnfoldMaps, FoldMaps, RowUnfoldMaps, RowFoldMaps),
    "tokens": (UnfoldTokens, FoldTokens, RowUnfoldTokens, RowFoldTokens),
}
sides = st.integers(1, 6)


@few
@given(small_specs(*LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


@pytest.mark.parametrize("form", FORMS)
@few
@given(st.integers(1, 3), st.integers(1, 5), sides, sides)
def test_the_same_numbers_move_to_the_same_places(
    form: str, b: int, c: int, h: int, w: int
) -> None:
    unfold, fold, row_unfold, row_fold = (make() for make in FORMS[form])
    x = noise(b, c, 2 * h, 2 * w)
    patches = unfold(x)
    assert torch.equal(row_unfold(x), patches)
    assert torch.equal(row_fold(patches, (2 * h, 2 * w)), x)
    assert torch.equal(fold(patches, (2 * h, 2 * w)), x)


@pytest.mark.parametrize("line", LINES)
def test_every_unfolding_is_rewritten_and_no_tensor_of_it_has_five_axes(line: str) -> None:
    model = small_model(small_spec(line))
    x = noise(2, 3, 72, 64)
    assert ranks(model, x).largest == 6
    changed, outcome = rewritten(model, chain(NAME))
    assert outcome.sites == 6
    assert count(changed, UnfoldMaps, FoldMaps, UnfoldTokens, FoldTokens) == 0
    assert ranks(changed, x).largest == 4
