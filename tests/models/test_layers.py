"""Unfolding against two independent formulations, and the small convolutional parts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from mobilevit_edge.models.layers import (
    ConvNormAct,
    InvertedResidual,
    divisible_size,
    fold_patches,
    resize_map,
    unfold_patches,
)

small = st.integers(1, 4)


def numbered(*shape: int) -> torch.Tensor:
    """A tensor whose every element is different."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)


@given(batch=small, channels=small, rows=small, columns=small, patch=small)
def test_folding_undoes_unfolding(
    batch: int, channels: int, rows: int, columns: int, patch: int
) -> None:
    x = numbered(batch, channels, rows * patch, columns * patch)
    patches = unfold_patches(x, patch)
    assert patches.shape == (batch, channels, patch * patch, rows * columns)
    assert torch.equal(fold_patches(patches, patch, (rows * patch, columns * patch)), x)


@given(batch=small, channels=small, rows=small, columns=small, patch=small)
def test_unfolding_equals_torchs_unfold(
    batch: int, channels: int, rows: int, columns: int, patch: int
) -> None:
    x = numbered(batch, channels, rows * patch, columns * patch)
    # [B, C * P, N], which is what CVNets' V2 calls.
    expected = F.unfold(x, patch, stride=patch).reshape(batch, channels, patch * patch, -1)
    assert torch.equal(unfold_patches(x, patch), expected)


@pytest.mark.parametrize(("pixel", "y", "x"), [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1)])
def test_a_pixel_of_all_patches_is_a_strided_slice_of_the_map(pixel: int, y: int, x: int) -> None:
    image = numbered(2, 3, 6, 8)
    expected = image[:, :, y::2, x::2].flatten(2)
    assert torch.equal(unfold_patches(image, 2)[:, :, pixel], expected)


@given(height=st.integers(1, 99), width=st.integers(1, 99), patch=small)
def test_the_divisible_size_is_the_smallest_that_fits(height: int, width: int, patch: int) -> None:
    for before, after in zip((height, width), divisible_size((height, width), patch), strict=True):
        assert after % patch == 0
        assert before <= after < before + patch


def test_resizing_to_the_same_size_is_the_identity() -> None:
    x = numbered(1, 2, 4, 6)
    assert resize_map(x, (4, 6), align_corners=False) is x


def test_aligned_corners_keep_the_corner_pixels_and_half_pixel_ones_do_not() -> None:
    x = numbered(1, 1, 3, 3)
    aligned, half = (resize_map(x, (6, 6), align_corners=flag)[0, 0] for flag in (True, False))
    assert aligned[0].tolist() == pytest.approx([0, 0.4, 0.8, 1.2, 1.6, 2])
    assert half[0].tolist() == pytest.approx([0, 0.25, 0.75, 1.25, 1.75, 2])


@pytest.mark.parametrize(("size", "halved"), [((8, 8), (4, 4)), ((7, 9), (4, 5))])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_same_padding_halves_and_rounds_up(
    size: tuple[int, int], halved: tuple[int, int], kernel_size: int
) -> None:
    layer = ConvNormAct(3, 5, kernel_size, stride=2)
    assert layer(torch.zeros(1, 3, *size)).shape == (1, 5, *halved)
    assert layer.conv.bias is None


@pytest.mark.parametrize(
    ("stride", "out_channels", "adds"), [(1, 8, True), (1, 16, False), (2, 8, False)]
)
def test_the_inverted_residual_adds_its_input_where_the_shape_stays(
    stride: int, out_channels: int, adds: bool
) -> None:
    block = InvertedResidual(8, out_channels, stride=stride, expansion=2).eval()
    # With a projection of zeros only the added input is left.
    torch.nn.init.zeros_(block.project.conv.weight)
    x = torch.rand(1, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    y = block(x)
    assert torch.equal(y, x) if adds else not y.any()
