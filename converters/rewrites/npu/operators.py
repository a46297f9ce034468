"""Two moves between channels and pixels that ONNX has an operator for and torch has not.

torch's pixel shuffle orders channels (channel, row, column), these (row, column, channel): the
phases of a map are then whole groups of channels, which concatenation joins and slicing takes
apart.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

NAMESPACE: Final = "mobilevit_edge"


@torch.library.custom_op(f"{NAMESPACE}::space_to_depth", mutates_args=())
def space_to_depth(x: Tensor, block: int) -> Tensor:
    """``[B, C, block h, block w] -> [B, block * block * C, h, w]``, channels outermost by phase."""
    b, c, height, width = x.shape
    # [B, C, h, i, w, j] -> [B, i, j, C, h, w] -> [B, 4 C, h, w]
    x = x.reshape(b, c, height // block, block, width // block, block).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(b, block * block * c, height // block, width // block).clone()


@space_to_depth.register_fake
def _(x: Tensor, block: int) -> Tensor:
    b, c, height, width = x.shape
    return x.new_empty(b, block * block * c, height // block, width // block)


@torch.library.custom_op(f"{NAMESPACE}::depth_to_space", mutates_args=())
def depth_to_space(x: Tensor, block: int) -> Tensor:
    """The inverse of :func:`space_to_depth`."""
    b, c, height, width = x.shape
    # [B, 4 C, h, w] -> [B, i, j, C, h, w] -> [B, C, h, i, w, j] -> [B, C, H, W]
    x = x.reshape(b, block, block, -1, height, width).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(b, c // (block * block), height * block, width * block).clone()


@depth_to_space.register_fake
def _(x: Tensor, block: int) -> Tensor:
    b, c, height, width = x.shape
    return x.new_empty(b, c // (block * block), height * block, width * block)
