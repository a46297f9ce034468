"""Patches that unfold in two moves, rows and then pixels."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from converters.rewrites.row_phases import (
    RowFoldMaps,
    RowFoldTokens,
    RowUnfoldMaps,
    RowUnfoldTokens,
)
from mobilevit_edge.models.layers import FoldMaps, FoldTokens, UnfoldMaps, UnfoldTokens
from tests.support.networks import FAMILIES, Family
from tests.support.rewrites import few, noise, record, rewritten, small_model

NAME = "row_phases"
FORMS = {
    "maps": (UnfoldMaps, FoldMaps, RowUnfoldMaps, RowFoldMaps),
    "tokens": (UnfoldTokens, FoldTokens, RowUnfoldTokens, RowFoldTokens),
}
sides = st.integers(1, 6)


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


@pytest.mark.parametrize("family", FAMILIES)
def test_no_tensor_has_five_axes(family: Family) -> None:
    model = small_model(family)
    x = noise(2, 3, 18, 16)
    assert record(model, x).largest_rank == 6
    assert record(rewritten(model, NAME)[0], x).largest_rank == 4
