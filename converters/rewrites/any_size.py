"""Every map is resized to a multiple of the patch, whether it has that size already or not.

A graph for images of any size cannot know which maps the patch divides. Resized to its own size, a
map is itself: bilinear samples lie on the pixels, with aligned corners (i (n - 1) / (n - 1) = i)
and with half-pixel ones ((i + 1/2) n / n - 1/2 = i).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, parts_of, swap
from mobilevit_edge.models.layers import ResizeMap
from mobilevit_edge.models.network import MobileViT


class AnySizeMap(nn.Module):
    """``[B, C, h, w] -> [B, C, *size]``, without asking whether that is its size."""

    def __init__(self, *, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(x, size=size, mode="bilinear", align_corners=self.align_corners)


def _apply(model: MobileViT, context: Context) -> int:
    found = parts_of(model, ResizeMap)
    for name, part in found:
        swap(model, name, AnySizeMap(align_corners=part.align_corners))
    return len(found)


REWRITE = Rewrite(
    name="any_size",
    identity="a map resized to its own size is that map",
    requires=(),
    apply=_apply,
)
