"""SSDLite: two maps of a backbone -> what its anchors say, before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mobilevit_edge.boxes import BOX_VALUES
from mobilevit_edge.head_specs import SSDLiteSpec
from mobilevit_edge.models.layers import ConvNormAct
from mobilevit_edge.models.segmentation import GlobalPixel

_SMALL = 0.01


class SeparableConv(nn.Module):
    """Depthwise 3x3 of stride 2 without activation, then 1x1 with ReLU: a map of half the size."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.depthwise = ConvNormAct(
            in_channels, in_channels, 3, stride=2, groups=in_channels, activation=None
        )
        self.pointwise = ConvNormAct(in_channels, out_channels, 1, activation="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))  # type: ignore[no-any-return]


class PooledMap(nn.Module):
    """The last map, of one pixel. ``[B, C, H, W] -> [B, width, 1, 1]``."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.pool: nn.Module = GlobalPixel()
        self.project = nn.Conv2d(channels, width, 1, bias=False)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.project(self.pool(x)))  # type: ignore[no-any-return]


class LevelHead(nn.Module):
    """What the anchors of one map say. ``[B, C, H, W] -> [B, outputs, H, W]``.

    A map that has the projection's channels already is not projected; the pooled one, a pixel, is
    read without a depthwise convolution.
    """

    def __init__(self, channels: int, width: int, outputs: int, *, pooled: bool) -> None:
        super().__init__()
        projects = channels != width and not pooled
        self.project: nn.Module = (
            ConvNormAct(channels, width, 1, activation="relu") if projects else nn.Identity()
        )
        self.depthwise: nn.Module = (
            nn.Identity() if pooled else ConvNormAct(width, width, 3, groups=width, activation=None)
        )
        self.predict = nn.Conv2d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.predict(self.depthwise(self.project(x)))  # type: ignore[no-any-return]


class SSDLiteHead(nn.Module):
    """``[B, C4, H, W], [B, C5, h, w] -> [B, N, 4 + num_classes]``.

    Of every anchor, its box relative to it (:func:`mobilevit_edge.boxes.decode`) and the logits of
    the classes, the background first. Rows go map by map, inside a map row by row, inside a pixel
    anchor by anchor.
    """

    def __init__(self, spec: SSDLiteSpec, channels: Sequence[int], num_classes: int) -> None:
        super().__init__()
        before = (channels[-1], *spec.extra)
        self.extra = nn.ModuleList(
            SeparableConv(narrow, wide) for narrow, wide in zip(before, spec.extra, strict=False)
        )
        self.pooled = PooledMap(before[-1], spec.pooled)
        self.row = BOX_VALUES + num_classes
        widths = (*channels, *spec.extra, spec.pooled)
        self.levels = nn.ModuleList(
            LevelHead(wide, projection, anchors * self.row, pooled=index == len(widths) - 1)
            for index, (wide, projection, anchors) in enumerate(
                zip(widths, spec.projections, spec.anchors_per_cell, strict=True)
            )
        )

    def init_predictions(self) -> None:
        """Small weights for training from scratch: each box begins as its anchor."""
        for level in self.levels:
            nn.init.normal_(level.get_submodule("predict").get_parameter("weight"), std=_SMALL)

    def maps(self, before: Tensor, last: Tensor) -> list[Tensor]:
        """All maps that are read, from the largest to the one of a single pixel."""
        maps = [before, last]
        for extra in self.extra:
            maps.append(extra(maps[-1]))
        return [*maps, self.pooled(maps[-1])]

    def rows(self, before: Tensor, last: Tensor) -> list[Tensor]:
        """What the anchors of each map say, ``[B, N, 4 + num_classes]`` each."""
        rows = []
        for level, x in zip(self.levels, self.maps(before, last), strict=True):
            y = level(x)
            # [B, anchors * row, H, W] -> [B, H, W, anchors * row] -> [B, H * W * anchors, row]
            rows.append(y.permute(0, 2, 3, 1).reshape(y.shape[0], -1, self.row))
        return rows

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        return torch.cat(self.rows(before, last), dim=1)
