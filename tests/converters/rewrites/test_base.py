"""How rewrites are chosen and applied, and how the weights of folded layers are made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import converters.rewrites
from converters.job.options import ExportOptions
from converters.job.precisions import Precision
from converters.rewrites import REWRITES, algebra, select_rewrites
from converters.rewrites.base import Context, Outcome, RefusedError, Rewrite, apply_rewrites
from converters.targets.base import get_target
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.manifest import TARGET_NAMES, TargetName
from mobilevit_edge.head_specs import HEADS
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import SPECS, with_head_called
from tests.support.networks import FAMILIES, Family
from tests.support.rewrites import (
    CONTEXT,
    assert_unchanged,
    fingerprint,
    noise,
    rewrites_of,
    small_model,
)

EXPORTS: tuple[tuple[TargetName, str, Precision], ...] = (
    *(("coreml", "mobilevit_xxs", "fp32"), ("onnx", "mobilevit_xxs", "fp32")),
    *(("executorch", "mobilevit_xxs", "fp32"), ("executorch", "mobilevit_xxs", "int8")),
    ("executorch", "mobilevitv2_050", "fp32"),
    *(("litert", "mobilevit_xxs", "fp32"), ("litert", "mobilevitv2_050", "int8")),
)
"""Exports whose lists of rewrites differ."""

# Applying a list.


def recorder(name: str, calls: list[str], *requires: str, refuses: bool = False) -> Rewrite:
    def apply(model: MobileViT, context: Context) -> int:
        calls.append(name)
        if refuses:
            raise RefusedError(f"{name} does not fit")
        return 0

    return Rewrite(name, "", requires, apply)


@pytest.fixture(scope="module")
def model() -> MobileViT:
    return small_model("v2")


def test_rewrites_are_applied_in_the_given_order(model: MobileViT) -> None:
    calls: list[str] = []
    names = ["c", "a", "b"]
    outcomes = apply_rewrites(model, [recorder(name, calls) for name in names], CONTEXT)
    assert calls == names
    assert outcomes == [Outcome(name, 0) for name in names]


def test_a_rewrite_that_applies_nowhere_still_satisfies_those_that_need_it(
    model: MobileViT,
) -> None:
    calls: list[str] = []
    apply_rewrites(model, [recorder("a", calls), recorder("b", calls, "a")], CONTEXT)
    assert calls == ["a", "b"]


def test_a_refusal_is_recorded_and_carries_over_to_whatever_needs_it(model: MobileViT) -> None:
    calls: list[str] = []
    rewrites = [
        recorder("a", calls, refuses=True),
        recorder("b", calls, "a"),
        recorder("c", calls, "b", "a"),
        recorder("d", calls),
    ]
    assert apply_rewrites(model, rewrites, CONTEXT) == [
        Outcome("a", 0, "a does not fit"),
        Outcome("b", 0, "needs a, which was not applied"),
        Outcome("c", 0, "needs b, a, which was not applied"),
        Outcome("d", 0),
    ]
    assert calls == ["a", "d"]


def test_a_rewrite_that_comes_before_what_it_needs_is_refused(model: MobileViT) -> None:
    calls: list[str] = []
    outcomes = apply_rewrites(model, [recorder("b", calls, "a"), recorder("a", calls)], CONTEXT)
    assert [outcome.refused is None for outcome in outcomes] == [False, True]
    assert calls == ["a"]


@pytest.mark.parametrize("family", FAMILIES)
def test_rewrites_without_what_they_need_leave_the_model_as_it_was(family: Family) -> None:
    model = small_model(family)
    before = fingerprint(model)
    for rewrite in (rewrite for rewrite in REWRITES.values() if rewrite.requires):
        (outcome,) = apply_rewrites(model, [rewrite], CONTEXT)
        assert outcome.sites == 0
        assert outcome.refused == f"needs {', '.join(rewrite.requires)}, which was not applied"
    assert_unchanged(model, before)


def test_an_error_that_is_no_refusal_is_not_swallowed(model: MobileViT) -> None:
    def fail(model: MobileViT, context: Context) -> int:
        raise AssertionError("a bug")

    with pytest.raises(AssertionError, match="a bug"):
        apply_rewrites(model, [Rewrite("a", "", (), fail)], CONTEXT)


# Choosing rewrites.


def test_rewrites_are_chosen_in_the_targets_order_without_those_switched_off() -> None:
    names = ["key_after_pooling", "batch_norm_fold", "row_phases"]
    chosen = select_rewrites(names, {"batch_norm_fold"})
    assert chosen == [REWRITES["key_after_pooling"], REWRITES["row_phases"]]


@pytest.mark.parametrize("unknown", ["phase_layout", "no_such_rewrite"])
def test_switching_off_what_the_target_does_not_use_is_refused_with_its_list(unknown: str) -> None:
    with pytest.raises(UsageError, match=rf"no rewrite {unknown} .*batch_norm_fold, row_phases"):
        select_rewrites(["batch_norm_fold", "row_phases"], {unknown, "row_phases"})


SHARED = {"__init__", "base", "algebra", "patch_grids", "operators", "pixels"}
"""Files of what several rewrites use."""


def test_every_file_holds_one_rewrite_under_its_own_name() -> None:
    folder = Path(converters.rewrites.__file__).parent
    files = {path.stem for path in (*folder.glob("*.py"), *folder.glob("npu/*.py"))}
    assert set(REWRITES) == files - SHARED
    assert all(rewrite.name == name for name, rewrite in REWRITES.items())
    assert all(rewrite.identity for rewrite in REWRITES.values())


@pytest.mark.parametrize(("target", "model", "precision"), EXPORTS)
def test_a_target_names_each_rewrite_once_and_after_what_it_needs(
    target: TargetName, model: str, precision: Precision
) -> None:
    names = rewrites_of(target, SPECS[model], precision)
    assert len(set(names)) == len(names)
    for index, name in enumerate(names):
        assert set(REWRITES[name].requires) <= set(names[:index])


def test_every_rewrite_is_used_somewhere() -> None:
    used = {
        name
        for target, model, precision in EXPORTS
        for name in rewrites_of(target, SPECS[model], precision)
    }
    any_size = ExportOptions(weights="random", target="onnx", image_size="dynamic")
    used |= set(get_target("onnx").rewrites(SPECS["mobilevit_xxs"], any_size))
    npu = ExportOptions(weights="random", target="onnx", unit="npu")
    used |= set(get_target("onnx").rewrites(SPECS["mobilevit_xxs"], npu))
    for name in TARGET_NAMES:
        options = ExportOptions(weights="random", target=name)
        for head in HEADS:
            spec = with_head_called(SPECS["mobilevit_xxs"], head)
            used |= set(get_target(name).rewrites(spec, options))
    assert set(REWRITES) == used | {"preprocessing_fold"}


# Weights of folded layers.


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(
    ("make", "shape"), [(algebra.make_linear, (3, 4)), (algebra.make_conv, (3, 4, 1, 1))]
)
def test_weights_are_rounded_once_and_need_no_gradient(
    make: Callable[..., nn.Conv2d | nn.Linear], shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    weight = noise(3, 4)
    layer = make(weight, weight[:, 0], dtype=dtype)
    assert layer.weight.shape == shape
    assert torch.equal(layer.weight.flatten(1), weight.to(dtype))
    assert layer.bias is not None
    assert torch.equal(layer.bias, weight[:, 0].to(dtype))
    assert not layer.weight.requires_grad
    assert not layer.bias.requires_grad
    assert make(weight, None, dtype=dtype).bias is None


def test_layers_are_composed_in_float64_before_they_are_rounded() -> None:
    first, second = (nn.Conv2d(6, 6, 1) for _ in range(2))
    merged = algebra.compose(first, second)
    w1, w2 = (conv.weight.detach().double().flatten(1) for conv in (first, second))
    assert merged.weight.dtype == torch.float32
    assert torch.equal(merged.weight.flatten(1), (w2 @ w1).float())
