"""Each target's whole list of rewrites, on real architectures, in fp32."""

from __future__ import annotations

import copy
from functools import lru_cache

import pytest
import torch
from torch import Tensor

from converters.job.options import ExportOptions, Precision
from converters.job.source import load_source
from converters.job.wrapping import wrap_for_export
from converters.rewrites import select_rewrites
from converters.rewrites.base import Context, Outcome, apply_rewrites
from mobilevit_edge.formats.bundle import TargetName
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import SPECS, Attention, v3_ablation
from tests.conftest import filled_model, random_images
from tests.converters.rewrites.test_base import (
    assert_unchanged,
    difference,
    fingerprint,
    macs,
    ranks,
    rewrites_of,
)

targets = pytest.mark.parametrize("target", ["onnx", "executorch", "coreml"])

FP32 = 1e-5
"""Of the largest output: the bound that an export has to keep as well."""
SIZES = ((2, 64, 64), (2, 96, 72), (1, 104, 104))
"""Batch, height, width. The last two halve to odd maps: 9 columns; 13 and 7 pixels."""
SMALL = ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xxs", "mobilevitv3_050")
ABLATION = [name for name in v3_ablation() if name not in SPECS]


def rewritten(
    model: MobileViT,
    target: TargetName,
    size: tuple[int, int] = (64, 64),
    precision: Precision = "fp32",
) -> tuple[MobileViT, list[Outcome]]:
    """A copy for images of ``size``."""
    changed = copy.deepcopy(model)
    chosen = select_rewrites(rewrites_of(target, model.spec, precision), ())
    return changed, apply_rewrites(changed, chosen, Context(size))


@lru_cache(maxsize=1)
def expected(
    name: str, sizes: tuple[tuple[int, int, int], ...], attention: Attention | None, classes: int
) -> tuple[MobileViT, list[Tensor]]:
    """A model, and its answers in float64 to images of each size."""
    model = filled_model(name, attention=attention, num_classes=classes)
    exact = copy.deepcopy(model).double()
    with torch.inference_mode():
        return model, [exact(random_images(*size).double()) for size in sizes]


def assert_equal(
    name: str,
    target: TargetName,
    *,
    precision: Precision = "fp32",
    sizes: tuple[tuple[int, int, int], ...] = SIZES,
    attention: Attention | None = None,
    classes: int = 1000,
) -> list[Outcome]:
    model, answers = expected(name, sizes, attention, classes)
    outcomes: list[Outcome] = []
    for size, answer in zip(sizes, answers, strict=True):
        changed, outcomes = rewritten(model, target, size[1:], precision)
        with torch.inference_mode():
            error = difference(changed(random_images(*size)), answer)
        assert error <= FP32, f"{name} at {size}"
    return outcomes


@targets
@pytest.mark.parametrize("name", SPECS)
def test_every_model_stays_the_same(target: TargetName, name: str) -> None:
    outcomes = assert_equal(name, target)
    # These weights are unlike trained ones: scores of wide heads may be too large.
    assert {outcome.name for outcome in outcomes if outcome.refused} <= {"bounded_softmax"}
    assert name not in SMALL or not any(outcome.refused for outcome in outcomes)


@targets
@pytest.mark.parametrize("name", SMALL)
def test_small_models_stay_the_same_at_their_own_size(target: TargetName, name: str) -> None:
    assert_equal(name, target, sizes=((1, 256, 256),))


@pytest.mark.parametrize("name", SMALL)
def test_rewrites_for_int8_stay_the_same(name: str) -> None:
    outcomes = assert_equal(name, "executorch", precision="int8")
    assert [outcome for outcome in outcomes if outcome.refused] == []


@targets
@pytest.mark.parametrize("name", ABLATION)
def test_every_row_of_v3s_ablation_stays_the_same(target: TargetName, name: str) -> None:
    assert_equal(name, target, sizes=SIZES[:2])


@targets
@pytest.mark.parametrize("attention", ["separable", "linformer"])
def test_other_attention_in_v1_stays_the_same(target: TargetName, attention: Attention) -> None:
    outcomes = assert_equal("mobilevit_s", target, attention=attention)
    assert {o.name: o.sites for o in outcomes}["explicit_attention"] == 0


@targets
@pytest.mark.parametrize("name", SMALL)
def test_feature_vectors_stay_the_same(target: TargetName, name: str) -> None:
    outcomes = assert_equal(name, target, classes=0)
    refused = {o.name: o.refused for o in outcomes if o.refused}
    no_classifier = {"head_as_convolution": "the model has no classifier"}
    assert (
        refused
        == {
            "onnx": {},
            "coreml": no_classifier,
            "executorch": {
                **no_classifier,
                "early_pooling": "needs head_as_convolution, which was not applied",
            },
        }[target]
    )


@targets
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [(64, 64), (72, 96)], ids=str)
def test_tensors_keep_to_the_ranks_of_the_contract(
    target: TargetName, size: tuple[int, int], name: str
) -> None:
    model = filled_model(name, num_classes=10)
    changed, _ = rewritten(model, target, size)
    limit = 5 if (target, name[:10]) == ("executorch", "mobilevit_") else 4
    if target == "executorch" and name == "mobilevitv3_xxs":
        limit = 5
    x = random_images(2, *size)
    assert ranks(model, x).largest == 6
    assert ranks(changed, x).largest == limit


@targets
@pytest.mark.parametrize("name", SMALL)
def test_rewrites_save_multiply_adds(target: TargetName, name: str) -> None:
    model = filled_model(name, num_classes=10)
    changed, _ = rewritten(model, target, (256, 256))
    x = random_images(1, 256, 256)
    if name in ("mobilevitv2_050", "mobilevitv3_050"):
        # The keys' projections alone are some 5 %.
        assert macs(changed, x) < 0.97 * macs(model, x)
    else:
        assert macs(changed, x) <= 1.01 * macs(model, x)


@targets
def test_the_reference_model_is_not_touched(target: TargetName) -> None:
    options = ExportOptions(
        target="onnx",
        weights="random",
        output=None,
        model="mobilevitv3_050",
        image_size=(64, 64),
        raw_input=True,
    )
    prepared = load_source(options)
    before = fingerprint(prepared.model)
    deployed = wrap_for_export(prepared, options, rewrites_of(target, prepared.model.spec))
    assert sum(outcome.sites for outcome in deployed.outcomes) > 50
    assert_unchanged(prepared.model, before)
