"""How many patches the maps of each stage hold, and how many tokens attend to each other."""

from __future__ import annotations

import math
from collections.abc import Iterator

from converters.rewrites.base import parts_of
from converters.rewrites.explicit_attention import ExplicitAttention
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PATCH


def patch_grids(model: MobileViT, image_size: tuple[int, int]) -> dict[str, tuple[int, int]]:
    """(rows, columns) of patches by stage, for images of (height, width)."""
    grids = {}
    stride = 2
    for index, stage in enumerate(model.spec.stages, start=1):
        stride *= stage.stride
        # A map's odd side is rounded up to whole patches.
        rows, columns = (math.ceil(side / (stride * PATCH)) for side in image_size)
        grids[f"layer{index}"] = (rows, columns)
    return grids


def attention_units(
    model: MobileViT, image_size: tuple[int, int]
) -> Iterator[tuple[str, ExplicitAttention, int]]:
    """Path, unit and number of tokens of every attention unit."""
    for stage, (rows, columns) in patch_grids(model, image_size).items():
        for name, unit in parts_of(model.get_submodule(stage), ExplicitAttention):
            yield f"{stage}.{name}", unit, rows * columns
