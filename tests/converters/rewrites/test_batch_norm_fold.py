"""Batch norm inside the convolution before it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from converters.rewrites.base import parts_of
from mobilevit_edge.models.layers import ConvNormAct
from tests.support.networks import FAMILIES, Family
from tests.support.rewrites import (
    EXACT,
    assert_refused,
    few,
    noise,
    relative_error,
    rewritten,
    small_model,
)

NAME = "batch_norm_fold"


@few
@given(
    variance=st.sampled_from([0.0, 1e-12, 1e-6, 1.0, 1e6]),
    mean=st.sampled_from([0.0, 1.0, 1e3]),
    batch=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
)
def test_every_convolution_stays_the_same_with_tiny_variances_and_large_means(
    variance: float, mean: float, batch: int, height: int, width: int
) -> None:
    model = small_model("v1")
    for _, norm in parts_of(model, nn.BatchNorm2d):
        assert norm.running_var is not None
        assert norm.running_mean is not None
        norm.running_var.fill_(variance)
        norm.running_mean += mean
    changed, _ = rewritten(model, NAME)
    folded = dict(parts_of(changed, ConvNormAct))
    for name, part in parts_of(model, ConvNormAct):
        channels = part.conv.in_channels
        x = noise(batch, channels, height, width, mean=mean)
        assert relative_error(folded[name], part, x) < EXACT, name


@pytest.mark.parametrize("family", FAMILIES)
def test_every_convolution_has_a_bias_afterwards(family: Family) -> None:
    changed, _ = rewritten(small_model(family), NAME)
    assert all(part.conv.bias is not None for _, part in parts_of(changed, ConvNormAct))


def test_a_norm_without_running_statistics_is_refused() -> None:
    model = small_model("v1")
    last = parts_of(model, nn.BatchNorm2d)[-1][1]
    last.running_mean = last.running_var = None
    assert_refused(model, NAME, "no running statistics")
    with torch.no_grad():
        assert model(noise(2, 3, 32, 32)).isfinite().all()
