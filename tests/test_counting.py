"""Counts of multiply-adds: against the recorded ones, against arithmetic, and part by part."""

from __future__ import annotations

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import mobilevit_edge as me
from mobilevit_edge.models.network import create_meta_model
from mobilevit_edge.specs import SPECS, Attention
from tests.conftest import CONFORMANCE, counted

MACS = json.loads((CONFORMANCE / "macs_256.json").read_text())["macs"]
SMALL = ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xxs", "mobilevitv3_050")


@pytest.mark.parametrize(("name", "recorded"), MACS.items(), ids=MACS.keys())
def test_multiply_adds_equal_those_of_the_original_code(
    name: str, recorded: dict[str, int]
) -> None:
    assert counted(name).macs == recorded["total"]


def test_count_macs_counts_one_image_of_a_size() -> None:
    model = create_meta_model(SPECS["mobilevit_xxs"], 1000)
    assert me.count_macs(model) == counted("mobilevit_xxs").macs
    assert 2 * me.count_macs(model, (128, 256)) < counted("mobilevit_xxs").macs


@pytest.mark.parametrize("size", [256, (96, 160)])
@pytest.mark.parametrize("name", SMALL)
def test_the_blocks_add_up_to_the_whole(name: str, size: int | tuple[int, int]) -> None:
    whole = (
        counted(name) if size == 256 else me.complexity(create_meta_model(SPECS[name], 1000), size)
    )
    assert sum(block.macs for block in whole.blocks) == whole.macs
    assert sum(block.parameters for block in whole.blocks) == whole.parameters
    names = [block.name for block in whole.blocks]
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
    found = me.complexity(model, (96, 160))
    assert found.macs == counter.get_total_flops() // 2
    assert found.image_size == (96, 160)
    assert found.parameters == sum(p.numel() for p in model.parameters())


def test_without_a_classifier_only_the_classifier_is_missing() -> None:
    whole = counted("mobilevitv2_050")
    body = me.complexity(create_meta_model(SPECS["mobilevitv2_050"], 0))
    assert whole.macs - body.macs == 256 * 1000
    assert whole.parameters - body.parameters == 256 * 1000 + 1000
