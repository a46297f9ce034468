"""The noise ratio refuses what has nothing to do with the reference, and damage that shows."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from converters.checks.cases import verification_cases
from converters.checks.noise import Noise
from converters.checks.numerics import verify
from converters.job.job import ExportJob
from converters.job.precisions import PRECISIONS
from converters.rewrites import select_rewrites
from converters.rewrites.base import Context, apply_rewrites
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.models.network import MobileViT
from tests.support.jobs import job_of, with_options

FLOORS = {p.name: p.min_sqnr_db for p in PRECISIONS.values() if p.min_sqnr_db is not None}


def sqnr_db(actual: Array, expected: Array) -> float | None:
    noise = Noise()
    for found, wanted in zip(actual, expected, strict=True):
        noise.add(wanted, found - wanted)
    return noise.ratio_db()


def test_a_tenth_of_the_signal_is_twenty_decibels() -> None:
    expected = np.array([[1.0, -1.0], [1.0, -1.0]])
    ratio = sqnr_db(expected + 0.1, expected)
    assert ratio == pytest.approx(20.0)


def test_what_all_outputs_have_in_common_is_no_signal() -> None:
    expected = np.array([[101.0, 99.0]])
    assert sqnr_db(expected + 1, expected) == pytest.approx(0.0)
    assert sqnr_db(np.ones((2, 3)), np.ones((2, 3)) * 2) is None
    assert sqnr_db(expected, expected) is None


def test_every_quantized_precision_has_a_floor() -> None:
    assert set(FLOORS) == {name for name, row in PRECISIONS.items() if row.quantized}


def test_random_outputs_pass_in_one_of_ten_thousand_trials_at_most() -> None:
    rng = np.random.default_rng(0)
    passed = dict.fromkeys(FLOORS, 0)
    for _ in range(10_000):
        # Four inputs and ten classes, as with noise alone; as large as the reference's.
        actual, expected = rng.standard_normal((2, 4, 10))
        ratio = sqnr_db(actual, expected)
        assert ratio is not None
        for name, floor in FLOORS.items():
            passed[name] += ratio >= floor
    assert max(passed.values()) <= 1


@pytest.fixture(scope="module")
def demo() -> ExportJob:
    return job_of(weights="demo", model="auto")


def doubled(weight: Tensor) -> Tensor:
    return weight * 2


def swapped(weight: Tensor) -> Tensor:
    return torch.cat((weight[[1, 0]], weight[2:]))


def zeroed(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight)


def with_damage(model: MobileViT, layer: str, damage: Callable[[Tensor], Tensor]) -> MobileViT:
    """A copy, its batch norms folded, with one layer's weight damaged."""
    copied = copy.deepcopy(model)
    apply_rewrites(copied, select_rewrites(["batch_norm_fold"], ()), Context((64, 64)))
    weight = copied.get_parameter(f"{layer}.weight")
    weight.data.copy_(damage(weight.data))
    return copied


@pytest.mark.parametrize("damage", [doubled, swapped, zeroed])
@pytest.mark.parametrize(
    ("layer", "precision"),
    [
        ("stem.conv", "int8-dynamic"),
        ("stem.conv", "int8-weight-only"),
        # Two of its channels are worth less than dynamic int8 costs.
        ("layer1.0.project.conv", "int8-weight-only"),
        ("head", "int8-dynamic"),
        ("head", "int8-weight-only"),
    ],
)
def test_damage_is_refused(
    demo: ExportJob, layer: str, damage: Callable[[Tensor], Tensor], precision: str
) -> None:
    damaged = with_damage(demo.source.model, layer, damage)

    def run(x: Array) -> Array:
        with torch.inference_mode():
            return np.asarray(damaged(torch.from_numpy(x)))

    def reference(pixels: Array) -> Array:
        x = torch.from_numpy(demo.network_input.batch_of([pixels]))
        with torch.inference_mode():
            return np.asarray(demo.source.model(x)[0].double())

    job = with_options(demo, precision=precision)
    with pytest.raises(VerificationError):
        verify(LoadedModel(run, "stand-in"), job, reference, list(verification_cases(demo)))


def test_ratios_are_finite_for_any_answer(demo: ExportJob) -> None:
    expected = np.array([[1.0, 2.0]])
    ratio = sqnr_db(expected * 1e30, expected)
    assert ratio is not None
    assert math.isfinite(ratio)
