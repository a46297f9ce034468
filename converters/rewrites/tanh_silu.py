"""SiLU by a hyperbolic tangent of half its input, which the convolution before it computes.

silu(x) = x sigmoid(x) = h (tanh(h) + 1) with h = x / 2, since sigmoid(2 h) = (tanh(h) + 1) / 2.
Halving the weights and biases of a convolution or linear layer is exact. On ARM, XNNPACK's sigmoid
looks its exponentials up in a table, one load per number; its tanh computes four at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, parts_of
from converters.rewrites.phase_layout import PhaseConv
from converters.rewrites.token_layout import PixelTokenBlock
from mobilevit_edge.models.blocks import MapTransformerLayer, TokenTransformerLayer
from mobilevit_edge.models.layers import ConvNormAct
from mobilevit_edge.models.network import MobileViT


class TanhSiLU(nn.Module):
    """``silu(2 h)`` of half its input ``h``, a tensor of rank ``rank``."""

    one: Tensor

    def __init__(self, rank: int, dtype: torch.dtype) -> None:
        super().__init__()
        # Of the input's rank: ExecuTorch adds tensors of other ranks with two transpositions.
        self.register_buffer("one", torch.ones([1] * rank, dtype=dtype), persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        return h * (torch.tanh(h) + self.one)


def _sites(model: MobileViT) -> Iterator[tuple[nn.Module, list[nn.Module], int]]:
    """What holds an activation ``act``, what computes its input, and that input's rank."""
    for _, conv in parts_of(model, ConvNormAct):
        yield conv, [conv.conv], 4
    for _, phases in parts_of(model, PhaseConv):
        yield phases, [*phases.convs], 4
    for _, map_layer in parts_of(model, MapTransformerLayer):
        yield map_layer, [map_layer.ffn_in], 4
    for _, token_layer in parts_of(model, TokenTransformerLayer):
        yield token_layer, [token_layer.ffn_in], 3
    for _, block in parts_of(model, PixelTokenBlock):
        yield block, [block.exit], 3


def _halve(layer: nn.Module) -> None:
    # Not in place: the four convolutions of a PhaseConv share their weights' memory.
    for name, parameter in list(layer.named_parameters(recurse=False)):
        setattr(layer, name, nn.Parameter(parameter / 2, requires_grad=False))


def _apply(model: MobileViT, context: Context) -> int:
    changed = 0
    for owner, producers, rank in _sites(model):
        if isinstance(owner.act, nn.SiLU):
            dtype = next(producers[0].parameters()).dtype
            owner.act = TanhSiLU(rank, dtype).eval()
            for producer in producers:
                _halve(producer)
            changed += 1
    return changed


REWRITE = Rewrite(
    name="tanh_silu",
    identity="silu(x) = h (tanh(h) + 1), h = x / 2",
    requires=("batch_norm_fold",),
    apply=_apply,
)
