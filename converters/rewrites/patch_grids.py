"""How many patches the maps of each stage hold."""

from __future__ import annotations

import math

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
