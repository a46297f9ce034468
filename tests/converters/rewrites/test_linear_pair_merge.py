"""Two 1x1 convolutions in a row as one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from converters.rewrites import algebra
from converters.rewrites.base import Outcome
from mobilevit_edge.specs import Fusion, ModelSpec
from tests.support.networks import BLOCKS, FAMILIES
from tests.support.rewrites import (
    EXACT,
    difference,
    few,
    macs,
    noise,
    random_model,
    randomize,
    relative_error,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "linear_pair_merge"


@few
@given(small_specs(*FAMILIES))
def test_it_never_costs_more(spec: ModelSpec) -> None:
    model = random_model(spec)
    changed, _ = rewritten(model, NAME)
    x = noise(1, 3, 32, 32)
    assert macs(changed, x) <= macs(model, x)


@few
@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 7)),
    st.sampled_from([0.0, 1e3]),
)
@torch.no_grad()
def test_the_product_of_two_convolutions_is_both_in_a_row(
    channels: tuple[int, int, int], mean: float
) -> None:
    first, second = (nn.Conv2d(a, b, 1).double() for a, b in pairwise(channels))
    randomize(first, 1)
    randomize(second, 2)
    merged = algebra.compose(first, second)
    x = noise(2, channels[0], 3, 5, mean=mean)
    assert difference(merged(x), second(first(x))) < EXACT


# Stage 1 ends in a projection of 2 * 5 channels to c1; stage 2 expands those to 2 * c1, and its
# second unit adds its input.


def test_a_pair_merges_where_that_saves_multiply_adds() -> None:
    spec = small_spec("v1", widths=(12, 6, 10))
    first, second, third = spec.stages  # type: ignore[misc]
    model = random_model(replace(spec, stages=(first, replace(second, block=None), third)))  # type: ignore[arg-type]
    changed, outcome = rewritten(model, NAME)
    # 10 -> 12 -> 24 costs 120 + 288 a pixel, 10 -> 24 costs 240. The other pair, 12 -> 6 -> 12
    # at the end of stage 2, reads a sum: its last unit adds its input.
    assert outcome.sites == 1
    x = noise(1, 3, 32, 48)
    assert macs(model, x) - macs(changed, x) == (120 + 288 - 240) * 16 * 24
    assert relative_error(changed, model, x) < EXACT
    assert isinstance(changed.get_submodule("layer1.0.project"), nn.Identity)


def test_a_pair_around_a_narrow_middle_stays() -> None:
    # 10 -> 3 -> 6 costs 48 a pixel, 10 -> 6 would cost 60.
    model = small_model("v1", widths=(3, 6, 10))
    changed, outcome = rewritten(model, NAME)
    assert outcome == Outcome(NAME, 0)
    x = noise(1, 3, 32, 32)
    assert macs(model, x) == macs(changed, x)


@pytest.mark.parametrize("layout", ["patches", "phases"])
@pytest.mark.parametrize(
    ("fusion", "add_input", "merging_layouts"),
    [
        (None, False, ("patches", "phases")),
        (None, True, ()),  # the sum taps the map between the two
        (Fusion(1, "local"), True, ()),
        (Fusion(1, "local"), False, ("patches",)),  # in phases the projection's output is a sum
    ],
)
def test_a_blocks_projection_merges_unless_something_is_added_to_it(
    layout: str, fusion: Fusion | None, add_input: bool, merging_layouts: tuple[str, ...]
) -> None:
    # Widths of 30 around attention of 4: 4 -> 30 -> 60 and 8 -> 30 -> 60 both merge; 10 -> 3 -> 6
    # at the network's start does not.
    model = small_model("v2", dim=4, widths=(3, 30, 30), fusion=fusion, add_input=add_input)
    names = (NAME,) if layout == "patches" else ("phase_layout", NAME)
    changed, outcome = rewritten(model, *names)
    # Nothing but the head comes after the last block.
    assert outcome == Outcome(NAME, BLOCKS - 1 if layout in merging_layouts else 0)
    assert relative_error(changed, model, noise(2, 3, 18, 16)) < EXACT
