"""An average over one element, at the entrance of V2's blocks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from converters.rewrites.blocked_layout import BlockedUnfoldMaps
from mobilevit_edge.models.layers import UnfoldMaps
from mobilevit_edge.specs import ModelSpec
from tests.converters.rewrites.test_base import (
    LINES,
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

NAME = "blocked_layout"
sides = st.integers(1, 6)


@few
@given(small_specs(*MAP_LINES), batches_of_images)
def test_the_network_stays_the_same(spec: ModelSpec, x: Tensor) -> None:
    assert_exact(small_model(spec), NAME, x)


@few
@given(st.integers(1, 3), st.integers(1, 5), sides, sides)
def test_the_average_changes_not_a_bit(b: int, c: int, h: int, w: int) -> None:
    for x in (noise(b, c, 2 * h, 2 * w), noise(b, c, 2 * h, 2 * w, mean=1e3).float()):
        assert torch.equal(BlockedUnfoldMaps()(x), UnfoldMaps()(x))


@pytest.mark.parametrize("line", LINES)
def test_only_blocks_on_maps_are_rewritten(line: str) -> None:
    model = small_model(small_spec(line))
    changed, outcome = rewritten(model, chain(NAME))
    sites = 3 if line in MAP_LINES else 0
    assert (outcome.sites, outcome.refused) == (sites, None)
    assert count(changed, BlockedUnfoldMaps) == sites
    pools = {o for o in ranks(changed, noise(1, 3, 64, 64)).operators if "avg_pool2d" in o}
    assert bool(pools) is (line in MAP_LINES)
