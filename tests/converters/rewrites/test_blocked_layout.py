"""An average over one element, at the entrance of V2's blocks."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from converters.rewrites.blocked_layout import BlockedUnfoldMaps
from mobilevit_edge.models.layers import UnfoldMaps
from tests.support.rewrites import few, noise, record

sides = st.integers(1, 6)


@few
@given(st.integers(1, 3), st.integers(1, 5), sides, sides)
def test_the_average_changes_not_a_bit(b: int, c: int, h: int, w: int) -> None:
    for x in (noise(b, c, 2 * h, 2 * w), noise(b, c, 2 * h, 2 * w, mean=1e3).float()):
        assert torch.equal(BlockedUnfoldMaps()(x), UnfoldMaps()(x))


def test_the_average_is_an_operator_of_its_own() -> None:
    assert "avg_pool2d" in record(BlockedUnfoldMaps(), noise(1, 3, 4, 4)).operators
