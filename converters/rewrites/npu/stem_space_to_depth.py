"""The stem's 3x3 convolution of stride 2 is a 2x2 convolution of whole 2x2 pixels.

With x(2u + a, 2v + b) as channels (a, b) of pixel (u, v), rows 2u - 1, 2u and 2u + 1 are (u - 1,
a = 1), (u, a = 0) and (u, a = 1); columns likewise:

    sum_dy,dx w(dy, dx) x(2u + dy, 2v + dx) = sum_k,l w'(k, l) z(u - 1 + k, v - 1 + l)

with one kernel of 2x2 over four times the channels, whose entries for row (and column) 2u - 2 are
zero. Three channels fill a tenth of a matrix unit's depth; twelve fill four times that, at the
price of 16 products for 9.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from converters.rewrites.algebra import make_conv
from converters.rewrites.base import Context, RefusedError, Rewrite, swap
from converters.rewrites.npu.operators import space_to_depth
from mobilevit_edge.models.network import MobileViT

_BLOCK = 2
_PLACES = ((0, 1), (1, 0), (1, 1))
"""Kernel row and phase of rows 2u - 1, 2u and 2u + 1."""


class SpaceToDepthConv(nn.Module):
    """3x3 convolution of stride 2, padding 1. ``[B, C, 2h, 2w] -> [B, out, h, w]``."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight.double()
        out, channels = weight.shape[:2]
        # [out, a, b, C, 2, 2] -> [out, 4 C, 2, 2], as space_to_depth orders channels
        kernel = torch.zeros(out, _BLOCK, _BLOCK, channels, 2, 2, dtype=torch.float64)
        for dy, (row, a) in enumerate(_PLACES):
            for dx, (column, b) in enumerate(_PLACES):
                kernel[:, a, b, :, row, column] = weight[:, :, dy, dx]
        bias = None if conv.bias is None else conv.bias.double()
        self.conv = make_conv(kernel.reshape(out, -1, 2, 2), bias, dtype=conv.weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(space_to_depth(x, _BLOCK), (1, 0, 1, 0)))  # type: ignore[no-any-return]


def _apply(model: MobileViT, context: Context) -> int:
    if any(side % _BLOCK for side in context.image_size):
        height, width = context.image_size
        raise RefusedError(f"an image of {height}x{width} has an odd side")
    conv = model.stem.conv
    if (conv.kernel_size, conv.stride, conv.padding) != ((3, 3), (2, 2), (1, 1)):
        raise RefusedError("the stem is no 3x3 convolution of stride 2")
    swap(model, "stem.conv", SpaceToDepthConv(conv))
    return 1


REWRITE = Rewrite(
    name="stem_space_to_depth",
    identity="sum w(dy, dx) x(2u + dy, 2v + dx) = sum w'(k, l) z(u - 1 + k, v - 1 + l)",
    requires=("batch_norm_fold",),
    apply=_apply,
)
