"""PSPNet's pyramid pooling as products with constant matrices.

The mean over each cell of a grid, and bilinear resizing back with aligned corners, are linear in
the pixels of a map: pool(x) = x Pᵀ and resize(y) = y Rᵀ on maps whose pixels are one axis. Grids
that do not divide the map have cells of unequal size, which no runtime's pooling has; exporters
would gather their pixels one by one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, parts_of, swap
from mobilevit_edge.masks import bilinear_matrix
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.models.segmentation import PyramidPooling

Size = tuple[int, int]


def pooling_matrix(source: int, cells: int) -> Tensor:
    """Means over ``cells`` parts of a line, as adaptive pooling cuts it. ``[cells, source]``."""
    matrix = torch.zeros(cells, source, dtype=torch.float64)
    for cell in range(cells):
        first, beyond = cell * source // cells, -(-(cell + 1) * source // cells)
        matrix[cell, first:beyond] = 1 / (beyond - first)
    return matrix


class PyramidMatrices(nn.Module):
    """:class:`PyramidPooling` of maps of one size. ``[B, C, H, W] -> [B, width, H, W]``."""

    pool: Tensor
    resize: Tensor

    def __init__(self, part: PyramidPooling, size: Size) -> None:
        super().__init__()
        self.project = part.project
        self.cells = part.size
        dtype = part.project.conv.weight.dtype
        pool = [pooling_matrix(side, part.size) for side in size]
        back = [torch.from_numpy(bilinear_matrix(part.size, side, aligned=True)) for side in size]
        # [cells², H W] and [H W, cells²]
        self.register_buffer("pool", torch.kron(*pool).to(dtype))
        self.register_buffer("resize", torch.kron(*back).to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        # [B, C, H, W] -> [B, C, H W] -> [B, C, cells²] -> [B, C, cells, cells]
        pooled = F.linear(x.reshape(b, c, h * w), self.pool).reshape(b, c, self.cells, self.cells)
        y = self.project(pooled)
        # [B, width, cells, cells] -> [B, width, cells²] -> [B, width, H W] -> [B, width, H, W]
        y = F.linear(y.reshape(b, -1, self.cells * self.cells), self.resize)
        return y.reshape(b, -1, h, w)


def replace_pyramids(
    model: MobileViT, context: Context, form: Callable[[PyramidPooling, Size], nn.Module]
) -> int:
    """Put ``form`` of each pooling, for the maps of these images, in its place; how many."""
    sites = parts_of(model, PyramidPooling)
    if sites:
        size = model.mask_size(context.image_size)
        for name, part in sites:
            swap(model, name, form(part, size))
    return len(sites)


def _apply(model: MobileViT, context: Context) -> int:
    return replace_pyramids(model, context, PyramidMatrices)


REWRITE = Rewrite(
    name="pyramid_matrices",
    identity="pool(x) = x Pᵀ, resize(y) = y Rᵀ, over the pixels of a map",
    requires=(),
    apply=_apply,
)
