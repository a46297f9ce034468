"""Parameters and multiply-adds per model and per block, including attention products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mobilevit_edge.models.network import MobileViT, create_meta_model
from mobilevit_edge.specs import Published

ImageSize: TypeAlias = int | tuple[int, int]

_ROOT: Final = "MobileViT"


@dataclass(frozen=True)
class BlockComplexity:
    """One part of the network: dotted module name, parameters, multiply-adds."""

    name: str
    parameters: int
    macs: int


@dataclass(frozen=True)
class Complexity:
    """A model's counts at one image size; the blocks add up to the totals."""

    model: str
    image_size: tuple[int, int]
    parameters: int
    macs: int
    blocks: tuple[BlockComplexity, ...]
    published: Published | None


def complexity(model: MobileViT, image_size: ImageSize = 256) -> Complexity:
    """Count parameters and multiply-adds of ``model`` for one image of ``image_size``.

    Convolutions, linear layers and both products of dot-product attention count, as executed;
    norms, activations, softmax, pooling, resizing and the element-wise products of separable
    attention do not (they are under 0.2 %, and no published figure includes them). Nothing is
    computed: only shapes run through the network.
    """
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    shape_only = create_meta_model(model.spec, model.num_classes)
    with FlopCounterMode(display=False) as counter:
        shape_only(torch.empty(1, model.spec.in_channels, *size, device="meta"))
    flops = counter.get_flop_counts()
    blocks = tuple(
        BlockComplexity(
            name=name,
            parameters=sum(p.numel() for p in shape_only.get_submodule(name).parameters()),
            macs=_macs(flops, f"{_ROOT}.{name}"),
        )
        for name in _block_names(shape_only)
    )
    return Complexity(
        model=model.spec.name,
        image_size=size,
        parameters=sum(p.numel() for p in shape_only.parameters()),
        macs=_macs(flops, "Global"),
        blocks=blocks,
        published=model.spec.published,
    )


def count_macs(model: MobileViT, image_size: ImageSize = 256) -> int:
    """Multiply-adds of ``model`` for one image of ``image_size``; see :func:`complexity`."""
    return complexity(model, image_size).macs


def _block_names(model: MobileViT) -> list[str]:
    """``stem``, ``layer1.0`` ... ``layer5.1``, then the head's parts."""
    names = ["stem"]
    for stage_name, stage in model.stages():
        if stage_name != "stem":
            names += [f"{stage_name}.{child}" for child, _ in stage.named_children()]
    if model.spec.head is None:
        return [*names, "pre_head", "head"]
    return names + [f"head.{part}" for part in _parts(model.head)]


def _parts(head: nn.Module) -> list[str]:
    """The head's own modules; of a list, what is in it: ``branches.0``."""
    return [
        f"{name}.{index}" if isinstance(part, nn.ModuleList) else name
        for name, part in head.named_children()
        for index in (range(len(part)) if isinstance(part, nn.ModuleList) else (0,))
    ]


def _macs(flops: Mapping[str, Mapping[object, int]], module: str) -> int:
    # One multiply-add is two floating-point operations.
    return sum(flops.get(module, {}).values()) // 2
