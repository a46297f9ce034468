"""The phases of the patches on the batch axis."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.rewrites import algebra
from converters.rewrites.base import Outcome, parts_of
from converters.rewrites.key_after_pooling import PooledKeyAttention
from converters.rewrites.norm_from_poolings import PooledNorm
from converters.rewrites.phase_layout import (
    PhaseAttention,
    PhaseConv,
    PhaseNorm,
    merge_phases,
    pool_phases,
)
from mobilevit_edge.models.attention import SeparableSelfAttention
from mobilevit_edge.models.blocks import MapBlock
from mobilevit_edge.models.layers import ConvNormAct, FoldMaps, UnfoldMaps, unfold_patches
from tests.support.networks import MAPS, Family
from tests.support.rewrites import (
    EXACT,
    assert_refused,
    count,
    difference,
    few,
    macs,
    noise,
    prepared_for,
    randomize,
    record,
    relative_error,
    rewritten,
    small_model,
)

NAME = "phase_layout"
sides = st.integers(1, 6)
batches = st.integers(1, 3)


def phases_of(x: Tensor) -> Tensor:
    """``[B, C, 2h, 2w] -> [4 B, C, h, w]``, straight from what a phase is."""
    return torch.cat([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)])


def phase_conv(channels: int, groups: int) -> tuple[ConvNormAct, PhaseConv]:
    module = ConvNormAct(channels, channels, 3, groups=groups).double().eval()
    randomize(module)
    module.conv, module.norm = algebra.fold_batch_norm(module.conv, module.norm), nn.Identity()
    return module, PhaseConv.from_folded(module)


@few
@given(batches, st.integers(1, 5), sides, sides, st.booleans())
@torch.no_grad()
def test_the_entrance_writes_the_phases_of_its_convolution(
    batch: int, channels: int, h: int, w: int, depthwise: bool
) -> None:
    module, changed = phase_conv(channels, channels if depthwise else 1)
    x = noise(batch, channels, 2 * h, 2 * w, mean=3.0)
    assert difference(torch.cat(changed(x)), phases_of(module(x))) < EXACT


def test_the_entrance_costs_the_convolution_and_one_row_and_column_of_two_phases() -> None:
    module, changed = phase_conv(6, 6)
    x = noise(1, 6, 16, 12)
    assert macs(changed, x) == macs(module, x) + 6 * 9 * (8 + 6)


@few
@given(batches, st.integers(1, 5), sides, sides)
def test_phases_merge_into_the_map_they_came_from(b: int, c: int, h: int, w: int) -> None:
    x = noise(b, c, 2 * h, 2 * w)
    assert torch.equal(merge_phases(phases_of(x)), x)
    expected = x.mean((2, 3), keepdim=True)
    torch.testing.assert_close(pool_phases(phases_of(x)), expected, rtol=1e-12, atol=1e-12)


@few
@given(batches, st.integers(2, 5), sides, sides, st.sampled_from([0.0, 1e3]))
def test_the_norm_is_that_of_the_whole_image(b: int, d: int, h: int, w: int, mean: float) -> None:
    x = noise(b, d, 2 * h, 2 * w) * (1 + torch.arange(b).reshape(b, 1, 1, 1)) + mean
    norm = PhaseNorm(1e-5, torch.float64)
    assert difference(merge_phases(norm(phases_of(x))), PooledNorm(1e-5)(x)) < EXACT
    pooled = PooledNorm(1e-5)(x + x.square()).mean((2, 3), keepdim=True)
    assert difference(norm.pooled(phases_of(x + x.square())), pooled) < 1e-8


@pytest.mark.parametrize("batch", [1, 2])
def test_a_large_mean_does_not_cancel_in_the_norm_in_fp32(batch: int) -> None:
    x = noise(batch, 8, 6, 10, mean=1e3).float()
    expected = nn.functional.group_norm(x.double(), 1, eps=1e-5)
    # Of a deviation of 1, the mean's own rounding is 1e3 * 6e-8.
    norm = PhaseNorm(1e-5, torch.float32)
    assert difference(merge_phases(norm(phases_of(x))), expected) < 1e-3


@few
@given(batches, st.integers(1, 5), sides, sides)
def test_attention_is_that_of_each_phase_apart(b: int, d: int, h: int, w: int) -> None:
    unit = SeparableSelfAttention(d).double()
    randomize(unit)
    changed = PhaseAttention(PooledKeyAttention.from_reference(unit))
    x = noise(b, d, 2 * h, 2 * w)
    with torch.no_grad():
        actual = unfold_patches(merge_phases(changed(phases_of(x))), 2)
        assert difference(actual, unit(unfold_patches(x, 2))) < EXACT


@pytest.mark.parametrize("family", MAPS)
@pytest.mark.parametrize("batch", [1, 2])
def test_no_tensor_has_more_than_four_axes_and_no_patch_is_unfolded(
    family: Family, batch: int
) -> None:
    model = small_model(family, depth=2)
    x = noise(batch, 3, 18, 16)
    assert record(model, x).largest_rank == 6
    changed, _ = rewritten(model, NAME)
    assert count(changed, UnfoldMaps, FoldMaps) == 0
    recorded = record(changed, x)
    assert recorded.largest_rank == 4
    # What XNNPACK's partitioner refuses.
    refused = {"sum", "split", "expand", "native_group_norm", "var_mean"}
    assert not refused & recorded.operators.keys()
    assert relative_error(changed, model, x) < EXACT


def test_a_local_convolution_of_another_size_is_refused() -> None:
    model = prepared_for(small_model("v2"), NAME)
    name, block = parts_of(model, MapBlock)[-1]
    block.local.spatial.conv = nn.Conv2d(10, 10, 5, padding=2, groups=10, dtype=torch.float64)
    assert_refused(model, NAME, f"{name}: its local convolution is not 3x3")


def test_separable_attention_on_tokens_has_no_such_block() -> None:
    _, outcome = rewritten(small_model("v1", attention="separable"), NAME)
    assert outcome == Outcome(NAME, 0)
