"""PSPNet's pyramid pooling as products with constant matrices, for maps with channels last.

As in pyramid_matrices, from the other side: with pixels as rows, pool(x) = P x and resize(y) = R y.
Runtimes whose maps have channels last hold them so already, and move nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite
from converters.rewrites.pyramid_matrices import PyramidMatrices, Size, replace_pyramids
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.models.segmentation import PyramidPooling


class PixelPyramid(nn.Module):
    """:class:`PyramidPooling` of maps of one size. ``[B, C, H, W] -> [B, width, H, W]``."""

    pool: Tensor
    resize: Tensor

    def __init__(self, part: PyramidPooling, size: Size) -> None:
        super().__init__()
        matrices = PyramidMatrices(part, size)
        self.project, self.cells = matrices.project, matrices.cells
        # [cells², H W] and [H W, cells²] -> [1, ...]
        self.register_buffer("pool", matrices.pool[None])
        self.register_buffer("resize", matrices.resize[None])

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        # [B, C, H, W] -> [B, H W, C] -> [B, cells², C] -> [B, C, cells, cells]
        pooled = torch.matmul(self.pool, x.permute(0, 2, 3, 1).flatten(1, 2))
        pooled = pooled.reshape(b, self.cells, self.cells, -1).permute(0, 3, 1, 2)
        # [B, width, cells, cells] -> [B, cells², width] -> [B, H W, width] -> [B, width, H, W]
        y = torch.matmul(self.resize, self.project(pooled).permute(0, 2, 3, 1).flatten(1, 2))
        return y.reshape(b, h, w, -1).permute(0, 3, 1, 2)


def _apply(model: MobileViT, context: Context) -> int:
    return replace_pyramids(model, context, PixelPyramid)


REWRITE = Rewrite(
    name="pixel_pyramid",
    identity="pool(x) = P x, resize(y) = R y, with pixels as rows",
    requires=(),
    apply=_apply,
)
