"""Heads for masks: the last map of a backbone -> logits for every pixel of that map.

Both end in a 1x1 classifier; how its logits become a mask of the image's size is the spec's
``resize`` (:mod:`mobilevit_edge.masks`). ReLU throughout, unlike the backbone.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilevit_edge.head_specs import DeepLabV3Spec, PSPNetSpec
from mobilevit_edge.models.layers import ConvNormAct

_DROPOUT: Final = 0.1
_PSP_DIVISOR: Final = 16


class GlobalPixel(nn.Module):
    """The mean over a map, as a map of one pixel. ``[B, C, H, W] -> [B, C, 1, 1]``."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.mean(x, dim=(2, 3), keepdim=True)


class ImagePooling(nn.Module):
    """The branch that sees the whole image. ``[B, C, H, W] -> [B, width, H, W]``, one value each.

    A map of one pixel resized is that pixel everywhere.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.pool: nn.Module = GlobalPixel()
        self.project = ConvNormAct(channels, width, 1, activation="relu")

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.project(self.pool(x))
        return pooled.expand(-1, -1, x.shape[2], x.shape[3])  # type: ignore[no-any-return]


class DeepLabV3Head(nn.Module):
    """Atrous spatial pyramid pooling and a classifier (DeepLabV3 section 3.3).

    ``[B, C, h, w] -> [B, num_classes, h, w]``
    """

    def __init__(self, spec: DeepLabV3Spec, channels: int, num_classes: int) -> None:
        super().__init__()
        width = spec.width
        self.branches = nn.ModuleList(
            [
                ConvNormAct(channels, width, 1, activation="relu"),
                *(
                    ConvNormAct(channels, width, 3, dilation=rate, activation="relu")
                    for rate in spec.rates
                ),
                ImagePooling(channels, width),
            ]
        )
        self.project = ConvNormAct(width * len(self.branches), width, 1, activation="relu")
        self.dropout = nn.Dropout(_DROPOUT)
        self.classifier = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([branch(x) for branch in self.branches], dim=1)
        return self.classifier(self.dropout(self.project(joined)))  # type: ignore[no-any-return]


class PyramidPooling(nn.Module):
    """Means over a grid of ``size`` x ``size`` cells, projected, resized back with aligned corners.

    ``[B, C, H, W] -> [B, width, H, W]``
    """

    def __init__(self, channels: int, width: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.project = ConvNormAct(channels, width, 1, activation="relu")

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.project(F.adaptive_avg_pool2d(x, self.size))
        size = (x.shape[2], x.shape[3])
        return F.interpolate(pooled, size=size, mode="bilinear", align_corners=True)


class PSPNetHead(nn.Module):
    """Pyramid pooling, fusion and a classifier (PSPNet section 3.2).

    ``[B, C, h, w] -> [B, num_classes, h, w]``
    """

    def __init__(self, spec: PSPNetSpec, channels: int, num_classes: int) -> None:
        super().__init__()
        # Each branch has its share of the channels, rounded down to a multiple of 16.
        reduced = channels // len(spec.pool_sizes) // _PSP_DIVISOR * _PSP_DIVISOR
        reduced = max(reduced, _PSP_DIVISOR)
        self.branches = nn.ModuleList(
            PyramidPooling(channels, reduced, size) for size in spec.pool_sizes
        )
        joined = channels + reduced * len(spec.pool_sizes)
        self.fusion = ConvNormAct(joined, spec.width, 3, activation="relu")
        self.dropout = nn.Dropout(_DROPOUT)
        self.classifier = nn.Conv2d(spec.width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat((x, *(branch(x) for branch in self.branches)), dim=1)
        return self.classifier(self.dropout(self.fusion(joined)))  # type: ignore[no-any-return]
