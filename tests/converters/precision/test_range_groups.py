"""Hidden channels of inverted residuals, grouped by their ranges."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch

from converters.job.wrapping import ExportableModel
from converters.precision.range_groups import (
    GroupedExpansion,
    apply_range_groups,
    best_split,
)
from converters.rewrites.base import parts_of
from mobilevit_edge.formats.manifest import TargetName
from mobilevit_edge.models.layers import InvertedResidual
from tests.conftest import random_images
from tests.support.jobs import job_of, module_of
from tests.support.networks import spread_ranges

SIZE = 64
V1, V2 = "tiny_mobilevit_xxs", "tiny_mobilevitv2_050"


def exportable(model: str, target: TargetName) -> ExportableModel:
    job = job_of(
        target=target, model=model, precision="int8", calibration="photos", image_size=(SIZE, SIZE)
    )
    return module_of(job)


@pytest.mark.parametrize("target", ["executorch", "onnx"])
@pytest.mark.parametrize(("model", "groups"), [(V1, [2, 2, 2]), (V2, [2, 2, 4])])
def test_groups_change_nothing_but_the_order_of_sums(
    model: str, groups: list[int], target: TargetName
) -> None:
    """V2 for ExecuTorch has projections merged into the next expansion."""
    module = exportable(model, target)
    spread_ranges(module)
    images = random_images(2, SIZE, SIZE)
    with torch.no_grad():
        before = module(images)
        apply_range_groups(module, [images])
        after = module(images)
    # The fourth inverted residual's channels are too few to gain from groups.
    assert [len(part.expands) for _, part in parts_of(module, GroupedExpansion)] == groups
    # fp32 sums in another order: ten times less than the 1e-5 an export may differ by.
    assert (after - before).abs().max() <= 1e-6 * before.abs().max() * 10


def test_groups_are_exact_in_float64() -> None:
    module = exportable(V2, "executorch")
    spread_ranges(module)
    images = random_images(1, SIZE, SIZE)
    reference = copy.deepcopy(module).double()
    apply_range_groups(module, [images])
    # Permuting and splitting round nothing, so float64 copies of the fp32 weights are equal.
    reference.dtype = module.dtype = torch.float64
    grouped = module.double()
    with torch.no_grad():
        expected = reference.model(images.double())
        assert (
            grouped.model(images.double()) - expected
        ).abs().max() <= 1e-9 * expected.abs().max()


def test_channels_alike_in_range_stay_together() -> None:
    module = exportable(V1, "executorch")
    part = parts_of(module, InvertedResidual)[0][1]
    apply_range_groups(module, [random_images(1, SIZE, SIZE)], max_groups=1)
    assert parts_of(module, GroupedExpansion) == []
    assert parts_of(module, InvertedResidual)[0][1] is part
    assert not parts_of(module, GroupedExpansion)


def test_hooks_do_not_stay() -> None:
    module = exportable(V1, "executorch")
    apply_range_groups(module, [random_images(1, SIZE, SIZE)])
    assert not any(part._forward_hooks for part in module.modules())


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_split_is_the_best_of_all(count: int) -> None:
    width = torch.tensor([0.1, 0.2, 0.2, 3.0, 3.5, 9.0]).repeat_interleave(8).double()
    gain = torch.rand(48, generator=torch.manual_seed(3), dtype=torch.float64)

    def noise(sizes: tuple[int, ...]) -> float:
        parts = zip(torch.split(width, list(sizes)), torch.split(gain, list(sizes)), strict=True)
        return sum(float(w[-1] ** 2 * g.sum()) for w, g in parts)

    cuts = range(8, 48, 8)
    candidates = [
        tuple(b - a for a, b in itertools.pairwise((0, *chosen, 48)))
        for groups in range(count)
        for chosen in itertools.combinations(cuts, groups)
    ]
    sizes, found = best_split(width, gain, count)
    assert len(sizes) <= count
    assert sum(sizes) == 48
    assert found == pytest.approx(noise(sizes))
    assert found == pytest.approx(min(noise(candidate) for candidate in candidates))


def test_few_channels_make_one_group_of_what_is_left() -> None:
    sizes, _ = best_split(torch.linspace(1, 2, 20).double(), torch.ones(20).double(), 4)
    assert sum(sizes) == 20
    assert all(size % 8 == 0 for size in sizes[:-1])
