from __future__ import annotations

import pytest

from converters.precision.parts import block_parts, check_part_names, part_filter, part_names
from mobilevit_edge.errors import UsageError
from mobilevit_edge.models.network import MobileViT, create_model


@pytest.fixture(scope="module")
def model() -> MobileViT:
    return create_model("mobilevit_xxs", num_classes=3)


def test_parts_are_paths_of_the_model(model: MobileViT) -> None:
    names = part_names(model)
    assert {"stem", "layer1", "layer1.0", "layer3.1", "pre_head", "head"} <= set(names)
    assert {"layer3.1.layers.0", "layer5.1.layers.2.attention"} <= set(names)
    for name in names:
        model.get_submodule(name)


def test_a_model_without_pre_head_has_none_to_keep() -> None:
    names = part_names(create_model("mobilevitv2_050", num_classes=0))
    assert "pre_head" not in names
    assert "head" not in names


def test_blocks_cover_the_network_without_overlap(model: MobileViT) -> None:
    blocks = block_parts(model)
    owners = [
        [b for b in blocks if name == b or name.startswith(f"{b}.")]
        for name, _ in model.named_parameters()
    ]
    assert all(len(owner) == 1 for owner in owners)


def test_an_unknown_name_is_refused_with_the_nearest(model: MobileViT) -> None:
    check_part_names(("layer1.0", "head"), model)
    with pytest.raises(UsageError, match=r"'layer3\.7'.*layer3\.1"):
        check_part_names(("layer1.0", "layer3.7"), model)


def test_a_name_covers_what_is_below_it_and_nothing_else() -> None:
    kept = part_filter(("layer1", "layer3.1.layers.0"))
    assert kept("layer1")
    assert kept("model.layer1.0.expand.conv")
    assert kept("layer3.1.layers.0.attention")
    assert not kept("layer10")
    assert not kept("layer3.1.layers.1")
    assert not kept("")
    assert not part_filter(())("layer1")
