"""Classifiers under any name and in any place: found, or refused with the way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.specs import SPECS
from mobilevit_edge.weights.naming import NAMINGS, Naming, source_keys, with_base_prefix
from mobilevit_edge.weights.saving import named_weights
from tests.conftest import filled_model

State = dict[str, Tensor]
MODELS = ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xxs")
FORMS = (
    *("head.fc.1", "head.2", "head.1", "head", "head.fc", "classifier.1", "classifier.fc.1"),
    *("classifier.fc", "classifier", "fc", "fc.1"),
)
"""Names of a linear layer that replaces the head, with or without a dropout before it."""


@cache
def parts(name: str, naming: Naming) -> tuple[State, Tensor, Tensor]:
    """The weights without the classifier, and the classifier's weight and bias."""
    model = filled_model(name, num_classes=3)
    state = named_weights(model, naming)
    weight, bias = (
        state.pop(with_base_prefix(key, model.spec, naming))
        for leaf in ("weight", "bias")
        for key in source_keys(f"head.{leaf}", model.spec, naming)
    )
    return state, weight, bias


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


def is_original(
    source: Mapping[str, Any], name: str = "mobilevit_xxs", naming: Naming = "timm"
) -> bool:
    """Whether the checkpoint holds the network and its classifier under the scheme's names."""
    body, weight, bias = parts(name, naming)
    (head,) = source_keys("head.weight", SPECS[name], naming)
    complete = body | {head: weight, head.replace("weight", "bias"): bias}
    found = me.read_checkpoint(source).tensors
    expected = me.read_checkpoint(complete).tensors
    return found.keys() == expected.keys() and all(
        torch.equal(tensor, found[key]) for key, tensor in expected.items()
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("name", MODELS)
def test_a_replaced_head_is_the_classifier(name: str, naming: Naming, form: str) -> None:
    body, weight, bias = parts(name, naming)
    assert is_original(body | {f"{form}.weight": weight, f"{form}.bias": bias}, name, naming)


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("prefix", ["module.", "module.model.", "net."])
def test_a_replaced_head_is_found_inside_a_prefix(prefix: str, naming: Naming) -> None:
    body, weight, bias = parts("mobilevit_xxs", naming)
    state = body | {"classifier.1.weight": weight, "classifier.1.bias": bias}
    checkpoint = me.read_checkpoint(prefixed(prefix, state))
    assert checkpoint.ignored == ()
    assert is_original(prefixed(prefix, state), naming=naming)


@pytest.mark.parametrize("naming", NAMINGS)
def test_a_classifier_that_is_a_convolution_of_one_pixel_is_read(naming: Naming) -> None:
    body, weight, bias = parts("mobilevit_xxs", naming)
    state = body | {"fc.weight": weight[:, :, None, None], "fc.bias": bias}
    assert is_original(state, naming=naming)
    assert me.load_model(state).num_classes == 3


@pytest.mark.parametrize("outer", ["", "module."])
@pytest.mark.parametrize("wrapper", ["backbone.", "model.", "encoder.", "net.base_model."])
@pytest.mark.parametrize("form", ["fc", "classifier", "head", "classifier.1", "head.fc"])
@pytest.mark.parametrize("naming", NAMINGS)
def test_a_classifier_beside_a_wrapped_backbone_belongs_to_it(
    naming: Naming, form: str, wrapper: str, outer: str
) -> None:
    body, weight, bias = parts("mobilevit_xxs", naming)
    beside = {f"{form}.weight": weight, f"{form}.bias": bias}
    state = prefixed(outer, prefixed(wrapper, body) | beside)
    checkpoint = me.read_checkpoint(state)
    assert checkpoint.ignored == ()
    assert checkpoint.wrapper.startswith(outer.rstrip("."))
    assert is_original(state, naming=naming)


@pytest.mark.parametrize("naming", NAMINGS)
def test_what_is_left_out_beside_a_backbone_is_listed(naming: Naming) -> None:
    body, weight, bias = parts("mobilevit_xxs", naming)
    head = {"fc.weight": weight, "fc.bias": bias}
    beside = {
        "decoder.conv.weight": torch.zeros(21, 320, 1, 1),
        "bbox_head.cls.weight": torch.zeros(80, 256, 3, 3),
        "projection.weight": torch.zeros(128, 77),
        "temperature": torch.zeros(()),
    }
    state = prefixed("model.backbone.", body) | prefixed("model.", head) | beside
    checkpoint = me.read_checkpoint(state)
    assert checkpoint.ignored == tuple(beside)
    model = me.load_model(checkpoint)
    assert me.load_weights(model, checkpoint).ignored == tuple(beside)
    assert model.num_classes == 3


def test_a_backbone_without_a_classifier_has_none() -> None:
    body, _, _ = parts("mobilevit_xxs", "timm")
    state = prefixed("backbone.", body) | {"decode_head.conv.weight": torch.zeros(21, 320, 1, 1)}
    checkpoint = me.read_checkpoint(state)
    assert checkpoint.ignored == ("decode_head.conv.weight",)
    assert me.load_model(checkpoint).num_classes == 0


def refusal(state: State) -> str:
    with pytest.raises(CheckpointError) as caught:
        me.load_model(state)
    assert len(str(caught.value)) < 2000
    return str(caught.value)


F = 320
NO_CLASSIFIERS: dict[str, tuple[State, str]] = {
    "two_layers": (
        {"head.0.weight": torch.zeros(64, F), "head.3.weight": torch.zeros(5, 64)},
        r"several layers \(.*head\.0\.weight \[64, 320\], .*head\.3\.weight \[5, 64\]\)",
    ),
    "norm_before": (
        {"fc.0.weight": torch.zeros(F), "fc.1.weight": torch.zeros(5, F)},
        r"several layers \(.*fc\.0\.weight \[320\], .*fc\.1\.weight \[5, 320\]\)",
    ),
    "norm_named": (
        {"head.norm.weight": torch.zeros(F), "head.fc.weight": torch.zeros(5, F)},
        r"several layers \(.*head\.norm\.weight",
    ),
    "two_heads": (
        {"fc.weight": torch.zeros(5, F), "classifier.weight": torch.zeros(7, F)},
        r"several tensors .*fc\.weight \[5, 320\], .*classifier\.weight \[7, 320\]; put the one",
    ),
    "tasks": (
        {"head_color.weight": torch.zeros(5, F), "head_shape.weight": torch.zeros(7, F)},
        r"several tensors.*head_color\.weight \[5, 320\], .*head_shape\.weight",
    ),
    "auxiliary": (
        {"head.fc.weight": torch.zeros(5, F), "aux.weight": torch.zeros(5, F)},
        r"several tensors.*head\.fc\.weight.*aux\.weight",
    ),
    "unnamed": (
        {"arcface.W": torch.zeros(5, F)},
        r"arcface\.W \[5, 320\] takes the network's 320 features.*put .* name \S*head\.fc\.weight",
    ),
    "projection_between": (
        {"neck.weight": torch.zeros(64, F), "fc.weight": torch.zeros(5, 64)},
        r"neck\.weight \[64, 320\] takes the network's 320 features",
    ),
}


@pytest.mark.parametrize("kind", NO_CLASSIFIERS)
@pytest.mark.parametrize("place", ["inside", "beside"])
def test_what_cannot_be_the_classifier_is_refused_with_names_and_the_way_out(
    place: str, kind: str
) -> None:
    head, message = NO_CLASSIFIERS[kind]
    body, _, _ = parts("mobilevit_xxs", "timm")
    state = prefixed("backbone.", body | head if place == "inside" else body)
    text = refusal(state if place == "inside" else state | head)
    assert re.search(message, text), text


def test_a_classifier_beside_that_takes_other_features_is_refused() -> None:
    body, _, _ = parts("mobilevit_xxs", "timm")
    state = prefixed("backbone.", body) | {"fc.weight": torch.zeros(5, 64 * F)}
    message = refusal(state)
    assert "fc.weight [5, 20480] does not take the network's 320 features" in message


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("name", ["classifier", "head", "fc", "classifier_state_dict"])
@pytest.mark.parametrize("outer", [False, True])
def test_a_classifier_with_a_state_dict_of_its_own_belongs_to_the_network_beside_it(
    naming: Naming, name: str, outer: bool
) -> None:
    body, weight, bias = parts("mobilevit_xxs", naming)
    content = {"encoder": body, name: {"weight": weight, "bias": bias}, "epoch": 3}
    source = {"state": content} if outer else content
    assert is_original(source, naming=naming)
    assert me.read_checkpoint(source).ignored == ()


def test_a_projection_with_a_state_dict_of_its_own_is_not_dropped_without_a_word() -> None:
    body, weight, bias = parts("mobilevit_xxs", "timm")
    content = {"encoder": body, "metric_head": {"weight": weight, "bias": bias}}
    with pytest.raises(CheckpointError, match=r"metric_head\.weight \[3, 320\] takes"):
        me.read_checkpoint(content)


def test_a_long_list_of_candidates_stays_short() -> None:
    body, _, _ = parts("mobilevit_xxs", "timm")
    many = {f"{'deep.' * 20}task_{index}.weight": torch.zeros(2, F) for index in range(500)}
    assert "and 494 more" in refusal(prefixed("backbone.", body) | many)


@pytest.mark.parametrize("other", ["teacher.", "model_ema."])
def test_another_networks_classifier_is_none_of_this_one(other: str) -> None:
    body, weight, bias = parts("mobilevit_xxs", "timm")
    complete = body | {"head.fc.weight": weight, "head.fc.bias": bias}
    damaged = {key: tensor + 1 for key, tensor in complete.items()}
    state = (
        prefixed("student.", complete) | prefixed(other, damaged)
        if other == "teacher."
        else prefixed("student.", damaged) | prefixed(other, complete)
    )
    assert is_original(state)
    assert len(me.read_checkpoint(state).ignored) == len(complete)
