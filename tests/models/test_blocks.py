"""The MobileViT blocks, their switches, and the network around them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

import mobilevit_edge as me
from mobilevit_edge.models.blocks import MapBlock, TokenBlock
from mobilevit_edge.models.layers import init_weights
from mobilevit_edge.models.network import create_meta_model
from mobilevit_edge.specs import SPECS, Attention, BlockSpec, Fusion
from tests.conftest import filled_model, random_images

TOKENS = BlockSpec(
    layout="tokens",
    attention="multi_head",
    dim=8,
    depth=1,
    ffn_dim=16,
    depthwise_local=False,
    fusion=Fusion(3, "input"),
    add_input=False,
)
MAPS = replace(TOKENS, layout="maps", attention="separable", depthwise_local=True, fusion=None)
SMALL = ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xxs", "mobilevitv3_050")
SIZES = [(4, 6), (7, 7), (5, 8), (1, 1), (1, 6)]


def token_block(**changes: Any) -> TokenBlock:
    torch.manual_seed(0)
    return TokenBlock(replace(TOKENS, **changes), 6, max_tokens=64).eval()


def map_block(**changes: Any) -> MapBlock:
    torch.manual_seed(0)
    return MapBlock(replace(MAPS, **changes), 6).eval()


def feature_map(size: tuple[int, int]) -> Tensor:
    return torch.randn(2, 6, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("attention", ["multi_head", "linformer", "separable"])
@pytest.mark.parametrize("size", SIZES)
def test_blocks_of_v1s_line_keep_the_size_of_odd_maps(
    size: tuple[int, int], attention: str
) -> None:
    assert token_block(attention=attention)(feature_map(size)).shape == (2, 6, *size)


@pytest.mark.parametrize("fusion", [None, Fusion(1, "local")])
@pytest.mark.parametrize("size", SIZES)
def test_blocks_of_v2s_line_round_odd_maps_up(size: tuple[int, int], fusion: Fusion | None) -> None:
    # The shortcut is then added to the resized input, as in the original.
    block = map_block(fusion=fusion, add_input=fusion is not None)
    rounded = tuple(side + side % 2 for side in size)
    assert block(feature_map(size)).shape == (2, 6, *rounded)


def silence(block: TokenBlock | MapBlock, part: str) -> None:
    """Make a part's output zero."""
    for parameter in block.get_submodule(part).get_submodule("norm").parameters():
        torch.nn.init.zeros_(parameter)


@pytest.mark.parametrize("size", [(4, 4), (5, 5)])
def test_adding_the_input_is_the_only_effect_of_its_switch(size: tuple[int, int]) -> None:
    x = feature_map(size)
    without, with_input = token_block(), token_block(add_input=True)
    torch.testing.assert_close(with_input(x), x + without(x))
    silence(with_input, "fusion")
    assert torch.equal(with_input(x), x)


def test_v2s_line_adds_the_resized_input() -> None:
    x = feature_map((3, 3))
    block = map_block(add_input=True)
    silence(block, "projection")
    resized = torch.nn.functional.interpolate(x, (4, 4), mode="bilinear", align_corners=True)
    assert torch.equal(block(x), resized)


@pytest.mark.parametrize(("features", "channels"), [("input", 6), ("local", 8)])
def test_fusion_joins_what_its_switch_names_before_the_projected_features(
    features: Literal["input", "local"], channels: int
) -> None:
    block = token_block(fusion=Fusion(1, features))
    x = feature_map((4, 4))
    assert block.fusion.conv.weight.shape == (6, channels + 6, 1, 1)
    seen: list[Tensor] = []
    block.fusion.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    block(x)
    first = x if features == "input" else block.local(x)
    assert torch.equal(seen[0][:, :channels], first)
    assert torch.equal(
        seen[0][:, channels:], block.projection(block.global_representation(block.local(x)))
    )


def test_v3_on_maps_joins_global_before_local_features() -> None:
    block = map_block(fusion=Fusion(1, "local"))
    x = feature_map((4, 4))
    seen: list[Tensor] = []
    block.projection.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    block(x)
    local = block.local(x)
    assert torch.equal(seen[0], torch.cat((block.global_representation(local), local), dim=1))


@pytest.mark.parametrize(("depthwise", "per_group"), [(False, 6), (True, 1)])
def test_the_local_convolution_is_depthwise_where_asked(depthwise: bool, per_group: int) -> None:
    weight = token_block(depthwise_local=depthwise).local.spatial.conv.weight
    assert weight.shape == (6, per_group, 3, 3)


def test_tokens_in_a_v1_block_see_all_patches_at_their_own_pixel_position() -> None:
    block = token_block(fusion=Fusion(1, "input"))
    features = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(2))
    changed = features.clone()
    changed[:, :, 0, 0] += torch.arange(8.0)
    difference = block.global_representation(changed) - block.global_representation(features)
    touched = difference.abs().amax(dim=(0, 1)) > 1e-7
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[::2, ::2] = True
    assert torch.equal(touched, expected)


def test_a_block_of_v1s_line_needs_a_fusion() -> None:
    with pytest.raises(ValueError, match="needs a fusion"):
        token_block(fusion=None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": "multi_head"}, "separable attention, not multi_head"),
        ({"fusion": Fusion(3, "local")}, "can only fuse local features"),
        ({"fusion": Fusion(1, "input")}, "can only fuse local features"),
    ],
)
def test_blocks_on_maps_refuse_what_they_cannot_do(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        map_block(**changes)


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_a_batch_of_two_equals_two_single_images(name: str) -> None:
    model = filled_model(name, num_classes=10)
    x = random_images(2, 96, 64)
    singles = torch.cat([model(image[None]) for image in x])
    torch.testing.assert_close(model(x), singles, rtol=1e-4, atol=1e-5)
    assert (singles[0] - singles[1]).abs().max() > 1e-3, "the images must matter"


@pytest.mark.parametrize(("name", "last"), [("mobilevit_xxs", (3, 5)), ("mobilevitv2_050", (4, 6))])
@torch.no_grad()
def test_a_rectangle_with_odd_maps_runs_at_the_lines_own_strides(
    name: str, last: tuple[int, int]
) -> None:
    stages = filled_model(name, num_classes=3).forward_stages(random_images(1, 96, 160))
    assert list(stages) == ["stem", "layer1", "layer2", "layer3", "layer4", "layer5"]
    sizes = [tuple(out.shape[2:]) for out in stages.values()]
    assert sizes == [(48, 80), (48, 80), (24, 40), (12, 20), (6, 10), last]


@pytest.mark.parametrize("name", SMALL)
@torch.no_grad()
def test_without_classes_the_output_is_what_the_classifier_would_get(name: str) -> None:
    model = filled_model(name, num_classes=5)
    body = me.create_model(name, num_classes=0)
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("head.")}
    body.load_state_dict(state)
    x = random_images(1, 64, 64)
    features = body(x)
    assert torch.equal(features, model.forward_features(x).mean(dim=(2, 3)))
    assert torch.equal(model.head(features), model(x))


@pytest.mark.parametrize("attention", ["linformer", "separable"])
@torch.no_grad()
def test_a_swapped_attention_unit_computes_at_the_native_size(attention: Attention) -> None:
    model = filled_model("mobilevit_xxs", num_classes=2, attention=attention)
    assert model(random_images(1, 256, 256)).isfinite().all()


def test_linformer_models_refuse_images_larger_than_they_were_sized_for() -> None:
    model = create_meta_model(me.create_model("mobilevit_xxs", attention="linformer").spec, 2)
    with pytest.raises(ValueError, match="at most 256 tokens, got 324"):
        model(torch.empty(1, 3, 288, 288, device="meta"))


@pytest.mark.parametrize("name", list(SPECS))
def test_every_model_maps_images_to_class_logits(name: str) -> None:
    model = create_meta_model(SPECS[name], 7)
    assert model(torch.empty(2, 3, 64, 96, device="meta")).shape == (2, 7)


def test_models_come_in_eval_mode_and_can_be_trained() -> None:
    model = me.create_model("mobilevitv3_xxs", num_classes=2)
    assert not model.training
    model.train()(random_images(2, 64, 64)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_fresh_weights_follow_the_seed_and_have_zero_biases() -> None:
    def weights() -> dict[str, Tensor]:
        torch.manual_seed(3)
        return me.create_model("mobilevit_xxs", num_classes=2).state_dict()

    first, second = weights(), weights()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not first["head.bias"].any()
    assert first["head.weight"].std().item() == pytest.approx(0.02, rel=0.2)
    convolution = torch.nn.Conv2d(3, 64, 3)
    convolution.apply(init_weights)
    assert convolution.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "mobilevit_m"}, r"'mobilevit_m'.*mobilevit_xxs.*mobilevitv3_100"),
        ({"name": "mobilevit_s", "num_classes": -1}, "not be negative, got -1"),
        ({"name": "mobilevit_s", "attention": "flash"}, "unknown attention 'flash'"),
        ({"name": "mobilevitv2_050", "attention": "linformer"}, "only separable attention"),
    ],
)
def test_models_that_cannot_be_built_are_refused_by_name(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        me.create_model(**arguments)
