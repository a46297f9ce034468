"""Two 1x1 convolutions in a row as one."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.rewrites import algebra
from mobilevit_edge.specs import Fusion, ModelSpec
from tests.converters.rewrites.test_base import (
    EXACT,
    LINES,
    assert_exact,
    batches_of_images,
    chain,
    difference,
    exact_arithmetic,
    few,
    macs,
    noise,
    randomize,
    relative_error,
    rewritten,
    small_model,
    small_spec,
    small_specs,
)

NAME = "linear_pair_merge"
PHASES = [*chain("phase_layout"), NAME]


@few
@given(small_specs(*LINES), batches_of_images)
def test_the_network_stays_the_same_and_never_costs_more(spec: ModelSpec, x: Tensor) -> None:
    model = small_model(spec)
    changed = assert_exact(model, NAME, x)
    assert macs(changed, x) <= macs(model, x)


@few
@given(small_specs("mobilevitv2_050", "mobilevitv3_050"), batches_of_images)
def test_the_network_stays_the_same_in_phases(spec: ModelSpec, x: Tensor) -> None:
    model = small_model(spec)
    changed, outcome = rewritten(model, PHASES)
    assert outcome.refused is None
    assert relative_error(changed, model, x) < EXACT


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
    with exact_arithmetic():
        merged = algebra.compose(first, second)
    x = noise(2, channels[0], 3, 5, mean=mean)
    assert difference(merged(x), second(first(x))) < EXACT


# Stage 1 ends in a projection of 2 * 5 channels to c1; stage 2 expands those to 2 * c1, and its
# second and third unit add their input.


def test_a_pair_merges_where_that_saves_multiply_adds() -> None:
    model = small_model(small_spec("mobilevit_xxs", widths=(12, 6, 8, 6, 10)))
    changed, outcome = rewritten(model, chain(NAME))
    # 10 -> 12 -> 24 costs 120 + 288 a pixel, 10 -> 24 costs 240. The other pair, 12 -> 6 -> 12
    # at the end of stage 2, reads a sum: its last unit adds its input.
    assert outcome.sites == 1
    x = noise(1, 3, 64, 96)
    assert macs(model, x) - macs(changed, x) == (120 + 288 - 240) * 32 * 48
    assert relative_error(changed, model, x) < EXACT
    assert isinstance(changed.get_submodule("layer1.0.project"), nn.Identity)


def test_a_pair_around_a_narrow_middle_stays() -> None:
    # 10 -> 3 -> 6 costs 48 a pixel, 10 -> 6 would cost 60.
    model = small_model(small_spec("mobilevit_xxs", widths=(3, 6, 8, 6, 10)))
    changed, outcome = rewritten(model, chain(NAME))
    assert (outcome.sites, outcome.refused) == (0, None)
    x = noise(1, 3, 64, 64)
    assert macs(model, x) == macs(changed, x)


@pytest.mark.parametrize("names", [chain(NAME), PHASES], ids=["patches", "phases"])
@pytest.mark.parametrize(
    ("fusion", "add_input", "in_patches", "in_phases"),
    [
        (None, False, 2, 2),
        (None, True, 0, 0),  # the sum taps the map between the two
        (Fusion(1, "local"), True, 0, 0),
        (Fusion(1, "local"), False, 2, 0),  # in phases the projection's output is a sum
    ],
)
def test_a_blocks_projection_merges_unless_something_is_added_to_it(
    names: list[str], fusion: Fusion | None, add_input: bool, in_patches: int, in_phases: int
) -> None:
    # Widths of 30 around attention of 4: 4 -> 30 -> 60 and 8 -> 30 -> 60 both merge; 10 -> 3 -> 6
    # at the network's start does not.
    model = small_model(
        small_spec(
            "mobilevitv2_050",
            dim=4,
            widths=(3, 6, 30, 30, 30),
            fusion=fusion,
            add_input=add_input,
        )
    )
    changed, outcome = rewritten(model, names)
    if names is PHASES:
        assert outcome.sites == in_phases
    else:
        assert outcome.sites == in_patches
    assert relative_error(changed, model, noise(2, 3, 72, 64)) < EXACT
