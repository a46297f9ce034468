"""Blocks of V2's line on tokens with channels last: linear layers instead of convolutions on maps.

A layer on ``[B, d, P, N]`` whose projections are 1x1 is the same layer on ``[P, B, N, d]``: linear
layers, a softmax over the last axis of the scores, a weighted sum over tokens. Runtimes whose maps
have channels last store both alike, but know only of the second that nothing has to move: around a
softmax over positions they transpose whole maps. Pixels unfold and fold as in token_layout.

The norms take their means over all tokens of an image, as in joint_norm.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from converters.rewrites.algebra import make_linear, matrix_of
from converters.rewrites.base import Context, Rewrite, joint_norms, parts_of, swap
from converters.rewrites.joint_norm import JointNorm
from converters.rewrites.key_after_pooling import PooledKeyAttention
from converters.rewrites.token_layout import from_tokens, to_tokens
from mobilevit_edge.models.blocks import MapBlock, MapTransformerLayer
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.specs import PHASES

_ALL_BUT_BATCH = (0, 2, 3)


class PixelUnfold(nn.Module):
    """``[B, d, H, W] -> [P, B, N, d]``."""

    def forward(self, x: Tensor) -> Tensor:
        # [P B, N, d] -> [P, B, N, d]
        return to_tokens(x).reshape(PHASES, x.shape[0], -1, x.shape[1])


class PixelFold(nn.Module):
    """``[P, B, N, d] -> [B, d, H, W]``."""

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        # [P, B, N, d] -> [P B, N, d]
        return from_tokens(x.flatten(0, 1), size)


class PixelAttention(nn.Module):
    """Separable attention with keys projected after pooling. ``[P, B, N, d] -> same``."""

    def __init__(self, attention: PooledKeyAttention) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = map(
            _linear, (attention.query, attention.key, attention.value, attention.out)
        )

    def forward(self, x: Tensor) -> Tensor:
        # One score for each token: [P, B, N, 1] -> [P, B, N] moves no data.
        scores = torch.softmax(self.query(x).squeeze(3), dim=-1).unsqueeze(3)
        context = self.key((x * scores).sum(dim=2, keepdim=True))
        return self.out(F.relu(self.value(x)) * context)  # type: ignore[no-any-return]


def _linear(conv: nn.Conv2d) -> nn.Linear:
    bias = None if conv.bias is None else matrix_of(conv)[1]
    return make_linear(matrix_of(conv)[0], bias, dtype=conv.weight.dtype)


def _apply(model: MobileViT, context: Context) -> int:
    blocks = parts_of(model, MapBlock)
    norms = joint_norms(model)
    for _, block in blocks:
        for _, layer in parts_of(block, MapTransformerLayer):
            assert isinstance(layer.attention, PooledKeyAttention)
            swap(layer, "attention", PixelAttention(layer.attention))
            for projection in ("ffn_in", "ffn_out"):
                conv = layer.get_submodule(projection)
                assert isinstance(conv, nn.Conv2d)
                swap(layer, projection, _linear(conv))
        block.unfold, block.fold = PixelUnfold(), PixelFold()
    for name, norm in norms:
        swap(model, name, JointNorm(norm.eps, _ALL_BUT_BATCH))
    return len(blocks)


REWRITE = Rewrite(
    name="pixel_layout",
    identity="a 1x1 convolution on [B, d, P, N] = a linear layer on [P, B, N, d]",
    requires=("norm_affine_fold", "key_after_pooling"),
    apply=_apply,
)
