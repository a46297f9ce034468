"""The four phases of the 2x2 patches go onto the batch axis, once per block: no unfold, no fold.

Attention mixes only pixels of equal position inside their patch, their phase; every projection is
1x1; the norms pool over everything. So a layer of V2's line on ``[4 B, d, H/2, W/2]`` is 1x1
convolutions, a softmax over positions, a weighted global pool and a gate per channel, in rank 4.

The entrance costs nothing: phase (i, j) of a 3x3 convolution's output is the same convolution with
stride 2 that starts at row i - 1 and column j - 1 of the input (dilated by r: i - r and j - r). An
odd phase reads one zero row (column) beyond the map, which one padded copy supplies. The 1x1
projections of V3's concatenated features become a sum: W [g; l] = W_g g + W_l l.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from converters.rewrites.algebra import make_conv, matrix_of
from converters.rewrites.base import Context, RefusedError, Rewrite, parts_of, swap
from converters.rewrites.key_after_pooling import PooledKeyAttention
from converters.rewrites.norm_from_poolings import PooledNorm
from mobilevit_edge.models.blocks import MapBlock, MapTransformerLayer
from mobilevit_edge.models.layers import ConvNormAct, divisible_size, resize_map
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PATCH, PHASES


class PhaseConv(nn.Module):
    """A 3x3 convolution with a map for each phase of its output. ``[B, C, 2h, 2w] -> 4 maps``.

    The multiply-adds are those of the convolution with stride 1.
    """

    def __init__(self, convs: Sequence[nn.Conv2d], act: nn.Module) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convs)
        self.act = act

    @classmethod
    def from_folded(cls, module: ConvNormAct) -> PhaseConv:
        """From a 3x3 convolution of stride 1 that keeps the size, its batch norm folded."""
        conv = module.conv
        reach = conv.dilation[0]
        convs = [
            make_conv(
                conv.weight,
                conv.bias,
                stride=2,
                padding=(reach - i, reach - j),
                dilation=reach,
                groups=conv.groups,
                dtype=conv.weight.dtype,
            )
            for i in range(PATCH)
            for j in range(PATCH)
        ]
        return cls(convs, module.act)

    def forward(self, x: Tensor) -> list[Tensor]:
        h, w = x.shape[2] // PATCH, x.shape[3] // PATCH
        padded = F.pad(x, (0, 1, 0, 1))
        conv00, conv01, conv10, conv11 = self.convs
        # Where only one of the two starts is odd, the padded copy gives a row or column too many.
        phases = (conv00(x), conv01(padded)[:, :, :h], conv10(padded)[:, :, :, :w], conv11(padded))
        return [self.act(phase) for phase in phases]


def merge_phases(x: Tensor) -> Tensor:
    """``[4 B, C, h, w] -> [B, C, 2h, 2w]``, phases outermost; no tensor above rank 4."""
    b, c, h, w = x.shape[0] // PHASES, *x.shape[1:]
    # [4 B, C, h, w] -> [2, 2, B C h, w] -> [B C h, 2, w, 2] -> [B, C, 2h, 2w]
    x = x.reshape(PATCH, PATCH, b * c * h, w).permute(2, 0, 3, 1)
    return x.reshape(b, c, PATCH * h, PATCH * w)


def pool_phases(x: Tensor) -> Tensor:
    """Mean of each channel over phases and positions. ``[4 B, d, h, w] -> [B, d, 1, 1]``."""
    pooled = x.mean((2, 3), keepdim=True)
    b, d = pooled.shape[0] // PHASES, pooled.shape[1]
    # [4 B, d, 1, 1] -> [4, B, d, 1] -> [B, d, 4, 1] -> [B, d, 1, 1]
    return pooled.reshape(PHASES, b, d, 1).permute(1, 2, 0, 3).mean((2, 3), keepdim=True)


class PhaseNorm(nn.Module):
    """GroupNorm(1) of each image over its phases, without scale and shift. ``[4 B, d, h, w]``."""

    ones: Tensor

    def __init__(self, eps: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("ones", torch.ones(PHASES, 1, 1, 1, dtype=dtype), persistent=False)

    def mean(self, x: Tensor) -> Tensor:
        """Mean of each image over phases, channels and positions, to broadcast against ``x``.

        ``[4 B, d, h, w] -> [1, 1, 1, 1]`` for one image, else ``[4 B, 1, 1, 1]``.
        """
        pooled = x.mean((2, 3), keepdim=True)
        b, d = x.shape[0] // PHASES, x.shape[1]
        if b == 1:
            # [4, d, 1, 1] -> [1, 1, 4, d]: unit axes change places, no data moves
            return pooled.permute(2, 3, 0, 1).mean((2, 3), keepdim=True)
        # [4 B, d, 1, 1] -> [4, B, 1, d] -> [B, 1, 4, d] -> [B, 1, 1, 1]
        mean = pooled.reshape(PHASES, b, 1, d).permute(1, 2, 0, 3).mean((2, 3), keepdim=True)
        # Repeated for every phase by a product: XNNPACK's partitioner refuses expand.
        return (mean.reshape(1, b, 1, 1) * self.ones).reshape(PHASES * b, 1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x - self.mean(x)
        return x * torch.rsqrt(self.mean(x * x) + self.eps)

    def pooled(self, x: Tensor) -> Tensor:
        """``pool_phases(self(x))``: the scale is one number per image, so it can follow."""
        x = x - self.mean(x)
        scale = torch.rsqrt(self.mean(x * x) + self.eps)
        return pool_phases(x) * scale[: x.shape[0] // PHASES]


class PhaseAttention(nn.Module):
    """Separable attention whose phases are entries of the batch. ``[4 B, d, h, w] -> same``."""

    def __init__(self, attention: PooledKeyAttention) -> None:
        super().__init__()
        self.query, self.key = attention.query, attention.key
        self.value, self.out = attention.value, attention.out

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        # One channel: reshaping to rank 3 moves no data. Softmax must not see rank 4 here: XNNPACK
        # would take the map's channels-last order and normalize over the wrong axis.
        scores = torch.softmax(self.query(x).reshape(b, 1, h * w), dim=-1).reshape(b, 1, h, w)
        # A sum over positions as a mean: runtimes have a kernel for global average pools.
        context = self.key((x * scores).mean((2, 3), keepdim=True) * float(h * w))
        return self.out(F.relu(self.value(x)) * context)  # type: ignore[no-any-return]


class PhaseMapBlock(nn.Module):
    """Block of V2's line in phases. ``[B, C, H, W] -> same`` (odd maps: rounded up to even)."""

    def __init__(self, block: MapBlock) -> None:
        super().__init__()
        self.spec = block.spec
        self.spatial = PhaseConv.from_folded(block.local.spatial)
        self.pointwise = block.local.pointwise
        self.layers = block.layers
        dtype = block.projection.conv.weight.dtype
        self.norm = PhaseNorm(block.norm.eps, dtype)
        self.projection = block.projection
        self.local_projection: nn.Module | None = None
        if block.spec.fusion is not None:
            weight, bias = matrix_of(block.projection.conv)
            dim = block.spec.dim
            self.projection.conv = make_conv(weight[:, :dim], bias, dtype=dtype)
            self.local_projection = make_conv(weight[:, dim:], None, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        x = resize_map(x, divisible_size((x.shape[2], x.shape[3]), PATCH), align_corners=True)
        local = torch.cat([self.pointwise(phase) for phase in self.spatial(x)], dim=0)
        y = local
        for layer in self.layers:
            y = layer(y)
        return self.finish(x, local, y)

    def finish(self, x: Tensor, local: Tensor, y: Tensor) -> Tensor:
        """From the last layer's output ``y`` to the block's output."""
        y = self.norm(y)
        if self.local_projection is None:
            # d < C: merging before the projection moves less
            y = self.projection(merge_phases(y))
        else:
            y = merge_phases(self.projection(y) + self.local_projection(local))
        return x + y if self.spec.add_input else y


def _apply(model: MobileViT, context: Context) -> int:
    blocks = parts_of(model, MapBlock)
    for name, block in blocks:
        if block.local.spatial.conv.kernel_size != (3, 3):
            raise RefusedError(f"{name}: its local convolution is not 3x3")
    for name, block in blocks:
        for _, layer in parts_of(block, MapTransformerLayer):
            for norm in ("attention_norm", "ffn_norm"):
                old = layer.get_submodule(norm)
                assert isinstance(old, PooledNorm)
                swap(layer, norm, PhaseNorm(old.eps, layer.ffn_in.weight.dtype))
            assert isinstance(layer.attention, PooledKeyAttention)
            swap(layer, "attention", PhaseAttention(layer.attention))
        swap(model, name, PhaseMapBlock(block))
    return len(blocks)


REWRITE = Rewrite(
    name="phase_layout",
    identity="attention on [B, d, P, N] = the same on [P B, d, h, w]: phases never mix",
    requires=("batch_norm_fold", "norm_affine_fold", "key_after_pooling", "norm_from_poolings"),
    apply=_apply,
)
