"""Exact rewrites of a loaded model: one per file, with its algebra at the top."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from converters.rewrites import (
    any_size,
    batch_norm_fold,
    blocked_layout,
    bounded_softmax,
    channel_layout,
    early_pooling,
    explicit_attention,
    explicit_silu,
    head_as_convolution,
    image_pooling_as_bias,
    instance_norm,
    joint_norm,
    key_after_pooling,
    layer_norm_as_projections,
    linear_pair_merge,
    norm_affine_fold,
    norm_from_poolings,
    phase_layout,
    pixel_layout,
    pixel_pooling,
    pixel_pyramid,
    preprocessing_fold,
    pyramid_matrices,
    query_blocks,
    row_phases,
    short_concatenation,
    shuffled_patches,
    tanh_silu,
    token_layout,
)
from converters.rewrites.base import Rewrite
from converters.rewrites.npu import (
    band_layout,
    folded_attention,
    masked_pooling,
    padded_heads,
    phase_mask,
    root_mean_square,
    split_fusion,
    split_heads,
    stem_space_to_depth,
)
from mobilevit_edge.errors import UsageError
from mobilevit_edge.head_specs import HeadName
from mobilevit_edge.specs import ModelSpec

REWRITES: Final[Mapping[str, Rewrite]] = MappingProxyType(
    {
        module.REWRITE.name: module.REWRITE
        for module in (
            preprocessing_fold,
            batch_norm_fold,
            norm_affine_fold,
            key_after_pooling,
            explicit_attention,
            query_blocks,
            explicit_silu,
            norm_from_poolings,
            phase_layout,
            token_layout,
            layer_norm_as_projections,
            row_phases,
            instance_norm,
            blocked_layout,
            pixel_layout,
            shuffled_patches,
            joint_norm,
            channel_layout,
            linear_pair_merge,
            head_as_convolution,
            early_pooling,
            pixel_pooling,
            image_pooling_as_bias,
            pyramid_matrices,
            pixel_pyramid,
            short_concatenation,
            bounded_softmax,
            tanh_silu,
            any_size,
            stem_space_to_depth,
            band_layout,
            phase_mask,
            root_mean_square,
            folded_attention,
            padded_heads,
            split_heads,
            split_fusion,
            masked_pooling,
        )
    }
)
"""Every rewrite by name. A target names those that it applies, in its own order."""


_OF_POOLED_HEADS: Final = ("head_as_convolution", "early_pooling", "pixel_pooling")
OF_HEADS: Final[Mapping[HeadName, tuple[str, ...]]] = {
    "deeplabv3": ("image_pooling_as_bias",),
    "pspnet": ("pyramid_matrices",),
    "ssdlite": (),
}
"""Of heads for masks and boxes, in most targets."""


def for_head(
    names: Sequence[str],
    spec: ModelSpec,
    of_heads: Mapping[HeadName, tuple[str, ...]] = OF_HEADS,
) -> tuple[str, ...]:
    """A target's rewrites for classifiers, as they are for the head that ``spec`` has.

    Args:
        names: for classifiers.
        spec: the architecture.
        of_heads: the target's rewrites of heads.
    """
    if spec.head is None:
        return tuple(names)
    kept = (name for name in names if name not in _OF_POOLED_HEADS)
    return (*kept, *of_heads[spec.head.name])


def select_rewrites(names: Sequence[str], without: Collection[str]) -> list[Rewrite]:
    """The rewrites called ``names``, without those that are switched off.

    Raises:
        UsageError: a rewrite to switch off is not among ``names``.
    """
    unknown = sorted(set(without) - set(names))
    if unknown:
        raise UsageError(
            f"no rewrite {', '.join(unknown)} for this target; it uses {', '.join(names)}"
        )
    return [REWRITES[name] for name in names if name not in without]
