"""SiLU as a value with a scale for each channel, and a gate."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from converters.precision.split_gates import SplitGate, apply_split_gates
from converters.rewrites.base import parts_of
from mobilevit_edge.models.layers import InvertedResidual
from tests.conftest import random_images
from tests.support.jobs import job_of, module_of
from tests.support.networks import spread_ranges

SIZE = 64


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", ["tiny_mobilevit_xxs", "tiny_mobilevitv2_050"])
def test_they_are_exact_in_float64(model: str, seed: int) -> None:
    module = module_of(job_of(model=model, unit="npu")).double()
    module.dtype = torch.float64
    spread_ranges(module, seed)
    images = random_images(2, SIZE, SIZE, seed=seed).double()
    split = copy.deepcopy(module)
    apply_split_gates(split, [images])
    assert len(list(parts_of(split, SplitGate))) == 4
    with torch.no_grad():
        expected = module(images)
        # Both come out of the module in fp32: its last digit.
        assert (split(images) - expected).abs().max() <= 2e-7 * expected.abs().max()


def test_every_channel_fills_the_same_range() -> None:
    module = module_of(job_of(unit="npu"))
    spread_ranges(module, 0)
    images = random_images(2, SIZE, SIZE)
    apply_split_gates(module, [images])
    seen: list[torch.Tensor] = []
    for _, gate in parts_of(module, SplitGate):
        gate.register_forward_hook(lambda _, inputs, output: seen.append(output.amax((0, 2, 3))))
        gate.scaled.register_forward_hook(lambda _, inputs, output: seen.append(output.amax()))
    with torch.no_grad():
        module(images)
    assert len(seen) == 8
    for highest in seen:
        # By the images that were measured; to the last digit of fp32.
        assert highest.max() <= 1 + 1e-5
    widest = [h for h in seen if h.dim() == 1]
    assert all((h > 0.05).float().mean() > 0.8 for h in widest)


def test_other_activations_and_norms_that_are_not_folded_stay() -> None:
    module = module_of(job_of(unit="npu"), ())
    apply_split_gates(module, [random_images(1, SIZE, SIZE)])
    assert not list(parts_of(module, SplitGate))
    module = module_of(job_of(unit="npu"))
    for _, part in parts_of(module, InvertedResidual):
        part.expand.act = nn.ReLU()
    apply_split_gates(module, [random_images(1, SIZE, SIZE)])
    assert not list(parts_of(module, SplitGate))
