"""Networks cut into parts: nothing lost, nothing twice, and together they compute the whole."""

from __future__ import annotations

from functools import lru_cache

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.workloads.artifacts import rewrite
from benchmarks.workloads.lower_bound import LowerBoundNetwork, lower_bound_inputs
from benchmarks.workloads.lower_bound_heads import lower_bound_of_head
from benchmarks.workloads.parts import Part, split_network
from mobilevit_edge.counting import complexity
from mobilevit_edge.formats.manifest import TargetName
from mobilevit_edge.head_specs import HeadName
from mobilevit_edge.models.network import MobileViT, create_model
from mobilevit_edge.specs import SPECS, ModelSpec
from tests.support.networks import FAMILIES, Family, tiny_model, tiny_spec

SIZE = 64
# A real one, whose blocks have several layers each, and the other families' blocks.
MODELS: dict[str, ModelSpec] = {
    "mobilevit_xxs": SPECS["mobilevit_xxs"],
    **{family: tiny_spec(family) for family in FAMILIES if family != "v1"},
}


def image() -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    return (torch.rand(1, 3, SIZE, SIZE),)


@lru_cache
def reference(name: str) -> tuple[MobileViT, tuple[Part, ...]]:
    model = create_model(MODELS[name])
    return model, split_network(model, image())


def of_the_network(parts: tuple[Part, ...]) -> list[Part]:
    return [part for part in parts if part.within is None]


@pytest.mark.parametrize("name", MODELS)
def test_parts_of_the_reference_have_the_models_blocks_and_counts(name: str) -> None:
    model, split = reference(name)
    parts = of_the_network(split)
    counts = complexity(model, SIZE)
    blocks = {block.name: block for block in counts.blocks}
    head = [blocks.pop("pre_head"), blocks.pop("head")]
    assert [part.name for part in parts] == [*blocks, "head"]
    for part in parts[:-1]:
        assert part.parameters == blocks[part.name].parameters
        assert part.macs == blocks[part.name].macs
    assert parts[-1].macs == sum(block.macs for block in head)
    assert sum(part.parameters for part in parts) == counts.parameters


@pytest.mark.parametrize("name", MODELS)
def test_the_pieces_of_a_block_are_its_local_part_its_layers_and_its_fusion(name: str) -> None:
    model, parts = reference(name)
    owners = [
        (f"layer{number}.{stage.repeats}", stage.block.depth)
        for number, stage in enumerate(model.spec.stages, 1)
        if stage.block is not None
    ]
    assert len(owners) > 1
    for owner, depth in owners:
        pieces = [part for part in parts if part.within == owner]
        layers = [
            f"{owner}.layers.{i}.{kind}" for i in range(depth) for kind in ("attention", "ffn")
        ]
        assert [p.name for p in pieces] == [f"{owner}.local", *layers, f"{owner}.fusion"]
        (whole,) = [part for part in parts if part.name == owner]
        assert sum(piece.macs for piece in pieces) == whole.macs
        assert sum(piece.parameters for piece in pieces) == whole.parameters


@pytest.mark.parametrize("target", ["onnx", "executorch"])
@pytest.mark.parametrize("family", FAMILIES)
def test_parts_run_one_after_the_other_give_the_networks_output(
    family: Family, target: TargetName
) -> None:
    model = tiny_model(family)
    rewrite(model, target, (SIZE, SIZE))
    inputs = image()
    x = inputs[0]
    with torch.no_grad():
        expected = model(x)
        for part in of_the_network(split_network(model, inputs)):
            assert len(part.inputs) == 1
            assert part.inputs[0].shape == x.shape
            x = part.module(x)
            # A cut graph returns a list where it has one output.
            x = x[0] if isinstance(x, (tuple, list)) else x
    torch.testing.assert_close(x, expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", MODELS)
def test_every_part_has_a_lower_bound_of_the_same_name(name: str) -> None:
    model, parts = reference(name)
    bounds = split_network(LowerBoundNetwork(model).eval(), lower_bound_inputs(model, SIZE))
    assert [(p.name, p.within) for p in bounds] == [(p.name, p.within) for p in parts]
    for bound, part in zip(bounds, parts, strict=True):
        # The lower bound has all the products, without norms and softmax.
        assert bound.macs == pytest.approx(part.macs, rel=0.01), part.name


@pytest.mark.parametrize("head", ["deeplabv3", "pspnet", "ssdlite"])
def test_heads_have_a_lower_bound_too(head: HeadName) -> None:
    model = create_model("mobilevit_xxs", head=head)
    before, last = torch.rand(1, 64, 20, 20), torch.rand(1, 80, 10, 10)
    macs = []
    for module, maps in (
        (model.head, (before, last) if head == "ssdlite" else (last,)),
        (lower_bound_of_head(model.head), (before, last)),
    ):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(*maps)
        macs.append(counter.get_total_flops())
    # DeepLabV3 projects the image's mean at every place, of which one is enough.
    least = 0.8 if head == "deeplabv3" else 0.99
    assert least < macs[1] / macs[0] <= 1


def test_a_network_with_a_head_is_cut_like_its_lower_bound() -> None:
    model = create_model("ssdlite_mobilevit_xxs")
    parts = split_network(model, image())
    bounds = split_network(LowerBoundNetwork(model).eval(), lower_bound_inputs(model, SIZE))
    assert [(p.name, p.within) for p in bounds] == [(p.name, p.within) for p in parts]
    assert parts[-1].name == "head"
