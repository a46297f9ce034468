"""The scale and shift of a layer or group norm move into the projection after it.

W (g * x + s) + b = (W diag g) x + (W s + b), for the attention's joint projection, the
feed-forward's first one, and the block's output projection. Between the last norm of a block of
V1's line and that projection a map may be resized: that is linear with weights that sum to one, so
it commutes with scale and shift.
"""

from __future__ import annotations

from torch import nn

from converters.rewrites import algebra
from converters.rewrites.base import Context, Rewrite, parts_of
from mobilevit_edge.models.blocks import (
    MapBlock,
    MapTransformerLayer,
    TokenBlock,
    TokenTransformerLayer,
)
from mobilevit_edge.models.network import MobileViT


def _bare(norm: nn.LayerNorm | nn.GroupNorm) -> nn.Module:
    """The norm without its affine part."""
    if isinstance(norm, nn.LayerNorm):
        return nn.LayerNorm(norm.normalized_shape, norm.eps, elementwise_affine=False)
    return nn.GroupNorm(norm.num_groups, norm.num_channels, norm.eps, affine=False)


def _fold_layer(layer: MapTransformerLayer | TokenTransformerLayer) -> None:
    qkv = layer.attention.get_submodule("qkv")
    assert isinstance(qkv, nn.Conv2d | nn.Linear)
    layer.attention.set_submodule("qkv", algebra.fold_affine(layer.attention_norm, qkv))
    layer.attention_norm = _bare(layer.attention_norm)  # type: ignore[assignment]
    layer.ffn_in = algebra.fold_affine(layer.ffn_norm, layer.ffn_in)
    layer.ffn_norm = _bare(layer.ffn_norm)  # type: ignore[assignment]


def _fold_block(block: MapBlock | TokenBlock) -> None:
    # V3's projection on maps reads the local features after the normed ones.
    normed = slice(0, block.spec.dim)
    conv = algebra.fold_affine(block.norm, block.projection.conv, normed)
    block.projection.conv = conv  # type: ignore[assignment]
    block.norm = _bare(block.norm)  # type: ignore[assignment]


def _apply(model: MobileViT, context: Context) -> int:
    layers: list[MapTransformerLayer | TokenTransformerLayer] = [
        *(layer for _, layer in parts_of(model, MapTransformerLayer)),
        *(layer for _, layer in parts_of(model, TokenTransformerLayer)),
    ]
    blocks: list[MapBlock | TokenBlock] = [
        *(block for _, block in parts_of(model, MapBlock)),
        *(block for _, block in parts_of(model, TokenBlock)),
    ]
    for layer in layers:
        _fold_layer(layer)
    for block in blocks:
        _fold_block(block)
    return 2 * len(layers) + len(blocks)


REWRITE = Rewrite(
    name="norm_affine_fold",
    identity="W (g * x + s) + b = (W diag g) x + (W s + b)",
    requires=("batch_norm_fold",),
    apply=_apply,
)
