"""The global average pool in front of the network's last linear maps, in both layouts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

from converters.rewrites.early_pooling import PooledPhaseMapBlock
from converters.rewrites.pixel_pooling import PooledPixelBlock
from mobilevit_edge.specs import Fusion
from tests.support.rewrites import (
    EXACT,
    count,
    macs,
    noise,
    prepared_for,
    random_model,
    relative_error,
    rewritten,
    small_model,
    small_spec,
)

BLOCKS = {"early_pooling": PooledPhaseMapBlock, "pixel_pooling": PooledPixelBlock}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("add_input", [False, True])
@pytest.mark.parametrize("fusion", [None, Fusion(1, "local")])
@pytest.mark.parametrize("size", [(16, 16), (10, 18)], ids=str)
def test_the_last_projection_runs_once_instead_of_once_a_pixel(
    name: str, fusion: Fusion | None, add_input: bool, size: tuple[int, int]
) -> None:
    model = small_model("v2", fusion=fusion, add_input=add_input)
    before = prepared_for(model, name)
    changed, outcome = rewritten(model, name)
    assert outcome.sites == count(changed, BLOCKS[name]) == 1
    assert isinstance(changed.pool, nn.Identity)
    x = noise(2, 3, *size)
    # The last map has 2x2 pixels, or 2x3, which attention makes 2x4: 8 channels to 10, to 5.
    pixels = 4 if size == (16, 16) else 8
    features = 8 * (1 if fusion is None else 2)
    # Without anything between them, projection and classifier become one.
    joins = not add_input and (fusion is None or name == "pixel_pooling")
    after = features * 5 if joins else features * 10 + 10 * 5
    assert macs(before, x) - macs(changed, x) == 2 * (features * 10 * pixels + 10 * 5 - after)
    assert relative_error(changed, model, x) < EXACT


@pytest.mark.parametrize("name", BLOCKS)
def test_a_nonlinear_part_behind_the_last_block_keeps_the_pool_behind_it(name: str) -> None:
    model = random_model(replace(small_spec("v2"), pre_head_channels=12))
    changed, outcome = rewritten(model, name)
    assert (outcome.sites, outcome.refused) == (0, None)
    assert relative_error(changed, model, noise(2, 3, 18, 16)) < EXACT


@pytest.mark.parametrize("name", BLOCKS)
def test_a_model_without_classifier_is_refused_and_keeps_its_features(name: str) -> None:
    model = small_model("v2", num_classes=0)
    changed, outcome = rewritten(model, name)
    assert outcome.refused == "needs head_as_convolution, which was not applied"
    assert relative_error(changed, model, noise(2, 3, 18, 16)) < EXACT
