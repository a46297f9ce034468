"""Each target's whole list of rewrites, on real architectures, in fp32."""

from __future__ import annotations

import copy
from functools import lru_cache

import pytest
import torch
from torch import Tensor

import converters.coreml
import converters.executorch
import converters.onnx
from converters.deploy import deploy
from converters.options import ExportOptions
from converters.prepare import prepare
from converters.rewrites import select_rewrites
from converters.rewrites.base import Context, Outcome, apply_rewrites
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import SPECS, Attention, v3_ablation
from tests.conftest import filled_model, random_images
from tests.converters.rewrites.test_base import (
    assert_unchanged,
    difference,
    fingerprint,
    macs,
    ranks,
)

LISTS = {
    "onnx": converters.onnx.REWRITES,
    "executorch": converters.executorch.REWRITES,
    "coreml": converters.coreml.REWRITES,
}
targets = pytest.mark.parametrize("target", LISTS)

FP32 = 1e-5
"""Of the largest output: the bound that an export has to keep as well."""
SIZES = ((2, 64, 64), (2, 96, 72), (1, 104, 104))
"""Batch, height, width. The last two halve to odd maps: 9 columns; 13 and 7 pixels."""
SMALL = ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xxs", "mobilevitv3_050")
ABLATION = [name for name in v3_ablation() if name not in SPECS]


def rewritten(model: MobileViT, target: str) -> tuple[MobileViT, list[Outcome]]:
    changed = copy.deepcopy(model)
    chosen = select_rewrites(LISTS[target], ())
    return changed, apply_rewrites(changed, chosen, Context((64, 64)))


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
    target: str,
    *,
    sizes: tuple[tuple[int, int, int], ...] = SIZES,
    attention: Attention | None = None,
    classes: int = 1000,
) -> tuple[MobileViT, list[Outcome]]:
    model, answers = expected(name, sizes, attention, classes)
    changed, outcomes = rewritten(model, target)
    with torch.inference_mode():
        for size, answer in zip(sizes, answers, strict=True):
            error = difference(changed(random_images(*size)), answer)
            assert error <= FP32, f"{name} at {size}"
    return changed, outcomes


@targets
@pytest.mark.parametrize("name", SPECS)
def test_every_model_stays_the_same(target: str, name: str) -> None:
    _, outcomes = assert_equal(name, target)
    assert [outcome for outcome in outcomes if outcome.refused] == []


@targets
@pytest.mark.parametrize("name", SMALL)
def test_small_models_stay_the_same_at_their_own_size(target: str, name: str) -> None:
    assert_equal(name, target, sizes=((1, 256, 256),))


@targets
@pytest.mark.parametrize("name", ABLATION)
def test_every_row_of_v3s_ablation_stays_the_same(target: str, name: str) -> None:
    assert_equal(name, target, sizes=SIZES[:2])


@targets
@pytest.mark.parametrize("attention", ["separable", "linformer"])
def test_other_attention_in_v1_stays_the_same(target: str, attention: Attention) -> None:
    _, outcomes = assert_equal("mobilevit_s", target, attention=attention)
    assert {o.name: o.sites for o in outcomes}["explicit_attention"] == 0


@targets
@pytest.mark.parametrize("name", SMALL)
def test_feature_vectors_stay_the_same(target: str, name: str) -> None:
    _, outcomes = assert_equal(name, target, classes=0)
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
    target: str, size: tuple[int, int], name: str
) -> None:
    model = filled_model(name, num_classes=10)
    changed, _ = rewritten(model, target)
    limit = 5 if (target, name[:10]) == ("executorch", "mobilevit_") else 4
    if target == "executorch" and name == "mobilevitv3_xxs":
        limit = 5
    x = random_images(2, *size)
    assert ranks(model, x).largest == 6
    assert ranks(changed, x).largest == limit


@targets
@pytest.mark.parametrize("name", SMALL)
def test_rewrites_save_multiply_adds(target: str, name: str) -> None:
    model = filled_model(name, num_classes=10)
    changed, _ = rewritten(model, target)
    x = random_images(1, 256, 256)
    if name in ("mobilevitv2_050", "mobilevitv3_050"):
        # The keys' projections alone are some 5 %.
        assert macs(changed, x) < 0.97 * macs(model, x)
    else:
        assert macs(changed, x) <= 1.01 * macs(model, x)


@targets
def test_the_reference_model_is_not_touched(target: str) -> None:
    options = ExportOptions(
        target="onnx",
        weights="random",
        output=None,
        model="mobilevitv3_050",
        image_size=(64, 64),
        raw_input=True,
    )
    prepared = prepare(options)
    before = fingerprint(prepared.model)
    deployed = deploy(prepared, options, LISTS[target])
    assert sum(outcome.sites for outcome in deployed.outcomes) > 50
    assert_unchanged(prepared.model, before)
