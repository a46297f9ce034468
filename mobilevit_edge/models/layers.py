"""Convolutional parts shared by all generations, and the patch unfolding of the blocks."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilevit_edge.specs import PATCH, PHASES

ActivationName: TypeAlias = Literal["silu", "relu"]
_ACTIVATIONS: Final[dict[ActivationName | None, type[nn.Module]]] = {
    "silu": nn.SiLU,
    "relu": nn.ReLU,
    None: nn.Identity,
}


class ConvNormAct(nn.Module):
    """Convolution without bias, batch norm, and an activation if any; same padding.

    ``[B, in_channels, H, W] -> [B, out_channels, ceil(H / stride), ceil(W / stride)]``
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        activation: ActivationName | None = "silu",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=dilation * (kernel_size - 1) // 2,
            dilation=dilation,
            groups=groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.act = _ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """MobileNetV2's block ("MV2" in the papers): expand 1x1, depthwise 3x3, project 1x1.

    The input is added if the shape stays the same (Sandler et al. 2018, section 3.4).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        expansion: int,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = ConvNormAct(in_channels, hidden, 1)
        self.depthwise = ConvNormAct(
            hidden, hidden, 3, stride=stride, groups=hidden, dilation=dilation
        )
        self.project = ConvNormAct(hidden, out_channels, 1, activation=None)
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds_input else y  # type: ignore[no-any-return]


def unfold_patches(x: Tensor, patch: int) -> Tensor:
    """``[B, C, H, W] -> [B, C, P, N]``: P pixels of a patch, N patches, both row by row.

    H and W must be multiples of ``patch``.
    """
    b, c, h, w = x.shape
    rows, cols = h // patch, w // patch
    # [B, C, H, W] -> [B, C, rows, patch, cols, patch]
    x = x.reshape(b, c, rows, patch, cols, patch)
    # -> [B, C, patch, patch, rows, cols] -> [B, C, P, N]
    return x.permute(0, 1, 3, 5, 2, 4).reshape(b, c, patch * patch, rows * cols)


def fold_patches(x: Tensor, patch: int, size: tuple[int, int]) -> Tensor:
    """``[B, C, P, N] -> [B, C, H, W]``, the inverse of :func:`unfold_patches`."""
    b, c = x.shape[:2]
    rows, cols = size[0] // patch, size[1] // patch
    # [B, C, P, N] -> [B, C, patch, patch, rows, cols]
    x = x.reshape(b, c, patch, patch, rows, cols)
    # -> [B, C, rows, patch, cols, patch] -> [B, C, H, W]
    return x.permute(0, 1, 4, 2, 5, 3).reshape(b, c, *size)


class UnfoldMaps(nn.Module):
    """Patches with channels first: ``[B, d, H, W] -> [B, d, P, N]``."""

    def forward(self, x: Tensor) -> Tensor:
        return unfold_patches(x, PATCH)


class FoldMaps(nn.Module):
    """The inverse of :class:`UnfoldMaps` for a map of ``size``."""

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return fold_patches(x, PATCH, size)


class UnfoldTokens(nn.Module):
    """A sequence for each pixel of the patch: ``[B, d, H, W] -> [B * P, N, d]``."""

    def forward(self, x: Tensor) -> Tensor:
        patches = unfold_patches(x, PATCH)
        b, d, p, n = patches.shape
        # [B, d, P, N] -> [B, P, N, d] -> [B * P, N, d]
        return patches.permute(0, 2, 3, 1).reshape(b * p, n, d)


class FoldTokens(nn.Module):
    """The inverse of :class:`UnfoldTokens` for a map of ``size``."""

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        bp, n, d = x.shape
        # [B * P, N, d] -> [B, P, N, d] -> [B, d, P, N]
        patches = x.reshape(bp // PHASES, PHASES, n, d).permute(0, 3, 1, 2)
        return fold_patches(patches, PATCH, size)


def divisible_size(size: tuple[int, int], patch: int) -> tuple[int, int]:
    """``size`` rounded up to multiples of ``patch``."""
    h, w = size
    # For sizes that are symbols: remainders of positive numbers, which exporters compute as Python
    # does, and which vanish where a size is known to be a multiple.
    return h + (patch - h % patch) % patch, w + (patch - w % patch) % patch


def resize_map(x: Tensor, size: tuple[int, int], *, align_corners: bool) -> Tensor:
    """``x`` bilinearly resized to ``size``; ``x`` itself if it has that size already."""
    if tuple(x.shape[-2:]) == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=align_corners)


class ResizeMap(nn.Module):
    """:func:`resize_map` as a part. ``[B, C, h, w] -> [B, C, *size]``."""

    def __init__(self, *, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return resize_map(x, size, align_corners=self.align_corners)


def init_weights(module: nn.Module) -> None:
    """Weights for training from scratch: He for convolutions, truncated normal for linear layers.

    Norms keep torch's default: ones and zeros.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


class GlobalAveragePool(nn.Module):
    """``[B, C, H, W] -> [B, C]``."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.mean(x, dim=(2, 3))
