"""Counts of multiply-adds: against the recorded ones, against arithmetic, and part by part."""

from __future__ import annotations

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import mobilevit_edge as me
from mobilevit_edge.models.network import create_meta_model
from mobilevit_edge.specs import SPECS, Attention
from tests.conftest import CONFORMANCE

MACS = json.loads((CONFORMANCE / "macs_256.json").read_text())["macs"]
SMALL = ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xxs", "mobilevitv3_050")


@pytest.mark.parametrize(("name", "recorded"), MACS.items(), ids=MACS.keys())
def test_multiply_adds_equal_those_of_the_original_code(
    name: str, recorded: dict[str, int]
) -> None:
    assert me.count_macs(create_meta_model(SPECS[name], 1000)) == recorded["total"]


@pytest.mark.parametrize("size", [256, 224, (192, 320)])
@pytest.mark.parametrize("name", SMALL)
def test_the_blocks_add_up_to_the_whole(name: str, size: int | tuple[int, int]) -> None:
    counted = me.complexity(create_meta_model(SPECS[name], 1000), size)
    assert sum(block.macs for block in counted.blocks) == counted.macs
    assert sum(block.parameters for block in counted.blocks) == counted.parameters
    names = [block.name for block in counted.blocks]
    assert names[0] == "stem"
    assert names[-2:] == ["pre_head", "head"]
    assert {"layer1.0", "layer3.1", "layer5.1"} < set(names)


def test_both_products_of_attention_are_counted() -> None:
    def block_macs(attention: Attention | None) -> int:
        model = me.create_model("mobilevit_xxs", num_classes=1, attention=attention)
        return {b.name: b.macs for b in me.complexity(model).blocks}["layer5.1"]

    # Stage 5 at 256x256: 8x8 pixels, so 4 pixels per patch and 16 patches; dim 96, depth 3.
    pixels, patches, dim, depth = 4, 16, 96, 3
    products = 2 * patches * patches * dim
    projections_saved = patches * dim * (3 * dim - (1 + 2 * dim))
    difference = block_macs(None) - block_macs("separable")
    assert difference == depth * pixels * (products + projections_saved)


def test_a_rectangle_counts_as_what_its_shapes_execute() -> None:
    model = me.create_model("mobilevit_xxs", num_classes=7)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 96, 160))
    counted = me.complexity(model, (96, 160))
    assert counted.macs == counter.get_total_flops() // 2
    assert counted.image_size == (96, 160)
    assert counted.parameters == sum(p.numel() for p in model.parameters())


def test_without_a_classifier_only_the_classifier_is_missing() -> None:
    spec = SPECS["mobilevitv2_050"]
    whole, body = (me.complexity(create_meta_model(spec, classes)) for classes in (1000, 0))
    assert whole.macs - body.macs == 256 * 1000
    assert whole.parameters - body.parameters == 256 * 1000 + 1000
