"""The lower bound of heads: their convolutions and activations alone; see ``lower_bound``.

A convolution over a concatenation is one over each of its parts. Every module takes the maps before
the last stage and after it, and returns all that it computes, since a runtime drops what nobody
reads.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mobilevit_edge.models.detection import LevelHead, SeparableConv, SSDLiteHead
from mobilevit_edge.models.layers import ConvNormAct
from mobilevit_edge.models.segmentation import (
    DeepLabV3Head,
    ImagePooling,
    PSPNetHead,
    PyramidPooling,
)


def plain_conv(module: ConvNormAct) -> nn.Module:
    """The convolution with a bias in place of its batch norm, and the activation."""
    old = module.conv
    conv = nn.Conv2d(
        old.in_channels,
        old.out_channels,
        (old.kernel_size[0], old.kernel_size[1]),
        stride=old.stride[0],
        padding=int(old.padding[0]),
        dilation=old.dilation[0],
        groups=old.groups,
    )
    return nn.Sequential(conv, module.act)


class LowerBoundClassifier(nn.Module):
    """``[B, C, H, W] -> [B, outputs]``."""

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(head.in_features, head.out_features, 1)

    def forward(self, before: Tensor, last: Tensor) -> list[Tensor]:
        return [self.classifier(_pixel(last)).flatten(1)]


class LowerBoundDeepLab(nn.Module):
    """DeepLabV3's branches, its projection of each, and the classifier."""

    def __init__(self, head: DeepLabV3Head) -> None:
        super().__init__()
        width = head.classifier.in_channels
        self.branches = nn.ModuleList(
            plain_conv(branch) for branch in head.branches if isinstance(branch, ConvNormAct)
        )
        self.pooled = nn.ModuleList(
            plain_conv(branch.project)
            for branch in head.branches
            if isinstance(branch, ImagePooling)
        )
        self.projects = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in head.branches)
        self.classifier = nn.Conv2d(width, head.classifier.out_channels, 1)

    def forward(self, before: Tensor, last: Tensor) -> list[Tensor]:
        parts = [branch(last) for branch in self.branches]
        parts += [branch(_pixel(last)) for branch in self.pooled]
        first, *others = [project(part) for project, part in zip(self.projects, parts, strict=True)]
        return [self.classifier(F.relu(first)), *others]


class LowerBoundPSP(nn.Module):
    """PSPNet's branches on corners of the map, its fusion of both parts, and the classifier."""

    def __init__(self, head: PSPNetHead) -> None:
        super().__init__()
        fusion = head.fusion.conv
        branches = [branch for branch in head.branches if isinstance(branch, PyramidPooling)]
        self.sizes = [branch.size for branch in branches]
        self.branches = nn.ModuleList(plain_conv(branch.project) for branch in branches)
        channels = branches[0].project.conv.in_channels
        self.joined = min(fusion.in_channels - channels, channels)
        self.fuse_map = nn.Conv2d(channels, fusion.out_channels, 3, padding=1)
        self.fuse_branches = nn.Conv2d(self.joined, fusion.out_channels, 3, padding=1)
        self.classifier = nn.Conv2d(fusion.out_channels, head.classifier.out_channels, 1)

    def forward(self, before: Tensor, last: Tensor) -> list[Tensor]:
        pairs = zip(self.branches, self.sizes, strict=True)
        side = [branch(last[:, :, :size, :size]) for branch, size in pairs]
        side.append(self.fuse_branches(last[:, : self.joined]))
        return [self.classifier(F.relu(self.fuse_map(last))), *side]


class LowerBoundSSD(nn.Module):
    """SSDLite's further maps, and what each map's anchors say."""

    def __init__(self, head: SSDLiteHead) -> None:
        super().__init__()
        self.extra = nn.ModuleList(
            nn.Sequential(plain_conv(extra.depthwise), plain_conv(extra.pointwise))
            for extra in head.extra
            if isinstance(extra, SeparableConv)
        )
        project = head.pooled.project
        self.pooled = nn.Conv2d(project.in_channels, project.out_channels, 1)
        self.levels = nn.ModuleList(_plain_level(level) for level in head.levels)

    def forward(self, before: Tensor, last: Tensor) -> list[Tensor]:
        maps = [before, last]
        for extra in self.extra:
            maps.append(extra(maps[-1]))
        maps.append(F.relu(self.pooled(_pixel(maps[-1]))))
        return [level(x) for level, x in zip(self.levels, maps, strict=True)]


def lower_bound_of_head(head: nn.Module) -> nn.Module:
    """The lower bound of a network's head."""
    match head:
        case nn.Linear():
            return LowerBoundClassifier(head)
        case DeepLabV3Head():
            return LowerBoundDeepLab(head)
        case PSPNetHead():
            return LowerBoundPSP(head)
        case SSDLiteHead():
            return LowerBoundSSD(head)
        case _:
            raise ValueError(f"there is no lower bound for a {type(head).__name__}")


def _plain_level(level: nn.Module) -> nn.Module:
    assert isinstance(level, LevelHead)
    convs = [part for part in (level.project, level.depthwise) if isinstance(part, ConvNormAct)]
    predict = nn.Conv2d(level.predict.in_channels, level.predict.out_channels, 1)
    return nn.Sequential(*map(plain_conv, convs), predict)


def _pixel(x: Tensor) -> Tensor:
    """``[B, C, H, W] -> [B, C, 1, 1]``."""
    return x.mean((2, 3), keepdim=True)
