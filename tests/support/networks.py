"""A tiny network of each family: the blocks of the real ones, a forward pass in milliseconds.

Three stages instead of five: inverted residuals alone; inverted residuals, one of which adds its
input, and a MobileViT block; the same once more, so that a block comes before a stage and a block
comes last. The last map has stride 8.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import torch
from torch import nn

from converters.job.source import calibrate_batch_norm_statistics
from converters.rewrites.base import parts_of
from mobilevit_edge.models import network
from mobilevit_edge.models.layers import InvertedResidual
from mobilevit_edge.models.network import MobileViT, create_model
from mobilevit_edge.specs import SPECS, ModelSpec, StageSpec
from mobilevit_edge.training import heads
from mobilevit_edge.weights import loading

Family: TypeAlias = Literal["v1", "v2", "v3_tokens", "v3_maps"]

TOKENS: Final[tuple[Family, ...]] = ("v1", "v3_tokens")
"""Families whose blocks unfold maps into tokens."""
MAPS: Final[tuple[Family, ...]] = ("v2", "v3_maps")
"""Families whose blocks keep channels first."""
FAMILIES: Final[tuple[Family, ...]] = TOKENS + MAPS
BLOCKS: Final = 2
"""Number of MobileViT blocks in a tiny network, each with one transformer layer."""
CLASSES: Final = 10

_REAL: Final[dict[Family, str]] = {
    "v1": "mobilevit_xxs",
    "v2": "mobilevitv2_050",
    "v3_tokens": "mobilevitv3_xxs",
    "v3_maps": "mobilevitv3_050",
}
_DIM: Final = 16


def tiny_spec(family: Family) -> ModelSpec:
    """The tiny network of a family."""
    return shrink(SPECS[_REAL[family]])


def lean_spec(family: Family) -> ModelSpec:
    """One inverted residual that adds its input, one with stride, one block.

    Lowering takes seconds for every block, and a converter all of its time for operators.
    """
    spec = tiny_spec(family)
    first, second, _ = spec.stages  # type: ignore[misc]  # three of them
    stages = (first, replace(second, repeats=1))
    return replace(spec, name=f"lean_{spec.name}", stages=stages)  # type: ignore[arg-type]


def tiny_model(family: Family, *, num_classes: int = CLASSES) -> MobileViT:
    """The tiny network of a family as :func:`calibrated_model` makes it: a fresh copy."""
    return calibrated_model(tiny_spec(family), num_classes=num_classes)


def tiny_instead(replace_in: Callable[[object, str, object], None]) -> None:
    """Let ``mobilevit_xxs`` be a tiny network where models are made, recognized and trained.

    ``replace_in`` is ``setattr``, or that of a :class:`pytest.MonkeyPatch`.
    """
    tiny = replace(tiny_spec("v1"), name="mobilevit_xxs")
    for module in (network, loading, heads):
        replace_in(module, "SPECS", {**SPECS, tiny.name: tiny})


def shrink(spec: ModelSpec) -> ModelSpec:
    """A tiny network with the kind of blocks that ``spec`` has."""
    first, second = (
        replace(stage.block, dim=_DIM, depth=1, ffn_dim=2 * _DIM)
        for stage in spec.stages[-BLOCKS:]
        if stage.block is not None
    )
    stages = (StageSpec(8, 1, 1), StageSpec(16, 2, 2, first), StageSpec(24, 2, 1, second))
    return replace(
        spec,
        name=f"tiny_{spec.name}",
        stem_channels=8,
        stages=stages,  # type: ignore[arg-type]
        pre_head_channels=None if spec.pre_head_channels is None else 32,
        published=None,
    )


def calibrated_model(spec: ModelSpec, *, num_classes: int = CLASSES) -> MobileViT:
    """A model whose activations have ordinary sizes and whose weights are all off their defaults.

    The same for the same arguments, and made once in a process; every call returns a fresh copy.
    """
    return copy.deepcopy(_calibrated(spec, num_classes))


def spread_ranges(module: nn.Module, seed: int = 0) -> None:
    """Give the channels of every expansion ranges from 1 to 300, as trained networks have them."""
    for _, part in parts_of(module, InvertedResidual):
        conv = part.expand.conv
        assert conv.bias is not None
        factors = torch.logspace(0, 2.5, conv.out_channels, dtype=conv.weight.dtype)
        factors = factors[torch.randperm(len(factors), generator=torch.manual_seed(seed))]
        with torch.no_grad():
            conv.weight *= factors[:, None, None, None]
            conv.bias *= factors


@lru_cache(maxsize=32)
def _calibrated(spec: ModelSpec, num_classes: int) -> MobileViT:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = create_model(spec, num_classes=num_classes)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
                module.weight.add_(0.2 * torch.randn_like(module.weight))
            # Norms' shifts and biases of layers start at zero.
            bias = getattr(module, "bias", None)
            if bias is not None:
                bias.add_(0.1 * torch.randn_like(bias))
        calibrate_batch_norm_statistics(model)
    return model.requires_grad_(False)
