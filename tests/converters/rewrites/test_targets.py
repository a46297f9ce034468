"""Each target's whole list of rewrites in fp32: every real model once, tiny ones in detail."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from converters.job.precisions import Precision
from converters.job.wrapping import wrap_for_export
from converters.rewrites import query_blocks, select_rewrites
from converters.rewrites.base import Context, Outcome, apply_rewrites
from mobilevit_edge.formats.manifest import TARGET_NAMES, TargetName
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import COUNTS, SPECS, Attention, ModelSpec, v3_ablation, with_attention
from tests.conftest import filled_model, random_images
from tests.support.jobs import job_of
from tests.support.networks import (
    FAMILIES,
    MAPS,
    Family,
    calibrated_model,
    shrink,
    tiny_model,
    tiny_spec,
)
from tests.support.rewrites import (
    assert_unchanged,
    difference,
    fingerprint,
    record,
    rewrites_of,
)

targets = pytest.mark.parametrize("target", TARGET_NAMES)
families = pytest.mark.parametrize("family", FAMILIES)

FP32 = 1e-5
"""Largest relative error: the bound that an export has to keep as well."""
Size = tuple[int, int, int]
"""Batch, height, width."""
ODD: Size = (2, 72, 64)
"""72 rows halve to odd maps, 64 columns to even ones."""
ODD_ONE: Size = (1, *ODD[1:])
OWN: Size = (1, 256, 256)
NO_HEAD = "needs head_as_convolution, which was not applied"
SMALL = ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xxs", "mobilevitv3_050")


def rewrite(
    model: MobileViT, target: TargetName, size: tuple[int, int], precision: Precision = "fp32"
) -> list[Outcome]:
    """Rewrite a model in place for images of ``size``."""
    chosen = select_rewrites(rewrites_of(target, model.spec, precision), ())
    return apply_rewrites(model, chosen, Context(size))


@torch.no_grad()
def exact_answer(model: MobileViT, size: Size) -> Tensor:
    """The model's answer in float64 to ``random_images(*size)``."""
    answer: Tensor = copy.deepcopy(model).double()(random_images(*size).double())
    return answer


@torch.no_grad()
def assert_equal(
    model: MobileViT,
    target: TargetName,
    size: Size,
    *,
    precision: Precision = "fp32",
    expected: Tensor | None = None,
) -> dict[str, Outcome]:
    """The rewritten ``model`` answers as it did in float64; its rewrites' outcomes by name."""
    expected = exact_answer(model, size) if expected is None else expected
    changed = copy.deepcopy(model)
    outcomes = rewrite(changed, target, size[1:], precision)
    assert difference(changed(random_images(*size)), expected) <= FP32
    return {outcome.name: outcome for outcome in outcomes}


def refusals(outcomes: dict[str, Outcome]) -> dict[str, str]:
    """The reasons of the rewrites that were refused."""
    return {name: outcome.refused for name, outcome in outcomes.items() if outcome.refused}


@lru_cache(maxsize=1)
def real_model(name: str, size: Size) -> tuple[MobileViT, Tensor]:
    """A real model and its exact answer, shared by the targets."""
    model = filled_model(name)
    return model, exact_answer(model, size)


# ``name`` varies more slowly than ``target``, so that a model is made once for all targets.


@targets
@pytest.mark.parametrize("name", SPECS)
def test_every_model_stays_the_same(target: TargetName, name: str) -> None:
    model, expected = real_model(name, ODD_ONE)
    refused = refusals(assert_equal(model, target, ODD_ONE, expected=expected))
    # These weights are unlike trained ones: scores of wide heads may be too large.
    assert set(refused) <= (set() if name in SMALL else {"bounded_softmax"})


@targets
@pytest.mark.parametrize("name", SMALL)
def test_small_models_stay_the_same_at_their_own_size_with_fewer_multiply_adds(
    target: TargetName, name: str
) -> None:
    model, expected = real_model(name, OWN)
    changed = copy.deepcopy(model)
    rewrite(changed, target, OWN[1:])
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        answer = changed(random_images(*OWN))
    assert difference(answer, expected) <= FP32
    saved = 1 - counter.get_total_flops() / 2 / COUNTS[name].macs
    # V2's keys alone, projected after pooling, are some 5 %.
    assert saved > (0.03 if SPECS[name].layout == "maps" else -0.01)


@pytest.mark.parametrize("target", ["onnx", "executorch"])
def test_large_images_are_attended_to_in_blocks(
    target: TargetName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is large is another matter here: of tiny networks already the first map."""
    monkeypatch.setattr(query_blocks, "SCORES", 2**12)
    outcomes = assert_equal(tiny_model("v1"), target, ODD)
    assert outcomes["query_blocks"].sites > 0


@targets
@families
@pytest.mark.parametrize("size", [ODD, (2, 64, 64), (1, 104, 104), OWN], ids=str)
def test_every_family_stays_the_same_at_every_size(
    target: TargetName, family: Family, size: Size
) -> None:
    assert refusals(assert_equal(tiny_model(family), target, size)) == {}


@families
def test_rewrites_for_int8_stay_the_same(family: Family) -> None:
    outcomes = assert_equal(tiny_model(family), "executorch", ODD, precision="int8")
    assert refusals(outcomes) == {}


def other_blocks() -> list[ModelSpec]:
    """The rows of V3's ablation that are no models of their own, and V1 with other attention."""
    v1 = tiny_spec("v1")
    attentions: tuple[Attention, ...] = ("separable", "linformer")
    rows = [shrink(spec) for name, spec in v3_ablation().items() if name not in SPECS]
    return [*rows, *(with_attention(v1, attention) for attention in attentions)]


@targets
@pytest.mark.parametrize("spec", other_blocks(), ids=lambda spec: spec.name)
def test_other_blocks_stay_the_same(target: TargetName, spec: ModelSpec) -> None:
    outcomes = assert_equal(calibrated_model(spec), target, ODD)
    block = spec.stages[-1].block
    assert block is not None
    assert bool(outcomes["explicit_attention"].sites) == (block.attention == "multi_head")


@targets
@families
def test_feature_vectors_stay_the_same(target: TargetName, family: Family) -> None:
    outcomes = assert_equal(tiny_model(family, num_classes=0), target, ODD)
    no_classifier = {"head_as_convolution": "the model has no classifier"}
    assert (
        refusals(outcomes)
        == {
            "onnx": {},
            "coreml": no_classifier,
            "litert": {
                **no_classifier,
                **({"pixel_pooling": NO_HEAD} if family in MAPS else {}),
            },
            "executorch": {
                **no_classifier,
                "early_pooling": NO_HEAD,
            },
        }[target]
    )


@targets
@families
@pytest.mark.parametrize("size", [(64, 64), (72, 96)], ids=str)
def test_tensors_keep_to_the_ranks_of_the_contract(
    target: TargetName, size: tuple[int, int], family: Family
) -> None:
    model = tiny_model(family)
    x = random_images(2, *size)
    assert record(model, x).largest_rank == 6
    rewrite(model, target, size)
    moves_pixels = target == "litert" or (target == "executorch" and family not in MAPS)
    assert record(model, x).largest_rank == (5 if moves_pixels else 4)


def test_the_reference_model_is_not_touched() -> None:
    job = job_of(model="mobilevitv3_050", raw_input=True)
    source = job.source
    before = fingerprint(source.model)
    for target in get_args(TargetName):
        wrapped = wrap_for_export(job, rewrites_of(target, source.spec))
        assert sum(outcome.sites for outcome in wrapped.outcomes) > 50
        assert_unchanged(source.model, before)
