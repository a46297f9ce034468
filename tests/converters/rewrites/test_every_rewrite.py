"""What holds for every rewrite: the same function and dtype, nothing left of what it replaces.

What is particular to a rewrite stands in the file with its name.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.rewrites import REWRITES
from converters.rewrites.any_size import AnySizeMap
from converters.rewrites.base import Outcome
from converters.rewrites.blocked_layout import BlockedUnfoldMaps
from converters.rewrites.bounded_softmax import BoundedAttention
from converters.rewrites.channel_layout import ChannelTokenBlock
from converters.rewrites.explicit_attention import ExplicitAttention
from converters.rewrites.explicit_silu import ExplicitSiLU
from converters.rewrites.instance_norm import MapInstanceNorm, TokenInstanceNorm
from converters.rewrites.joint_norm import JointNorm
from converters.rewrites.key_after_pooling import PooledKeyAttention
from converters.rewrites.layer_norm_as_projections import CenteredNorm
from converters.rewrites.norm_from_poolings import PooledNorm
from converters.rewrites.npu.band_layout import BandAttention
from converters.rewrites.npu.folded_attention import FoldedAttention
from converters.rewrites.npu.masked_pooling import MaskedPoolingAttention
from converters.rewrites.npu.root_mean_square import RootMeanSquareNorm
from converters.rewrites.npu.split_fusion import SplitFusionBlock
from converters.rewrites.npu.split_heads import SplitHeadAttention
from converters.rewrites.phase_layout import PhaseMapBlock
from converters.rewrites.pixel_layout import PixelUnfold
from converters.rewrites.row_phases import (
    RowFoldMaps,
    RowFoldTokens,
    RowUnfoldMaps,
    RowUnfoldTokens,
)
from converters.rewrites.shuffled_patches import ConvUnfoldMaps, ShuffleFoldMaps
from converters.rewrites.tanh_silu import TanhSiLU
from converters.rewrites.token_layout import PixelTokenBlock
from mobilevit_edge.models.attention import MultiHeadSelfAttention, SeparableSelfAttention
from mobilevit_edge.models.blocks import MapBlock, TokenBlock
from mobilevit_edge.models.layers import FoldMaps, FoldTokens, ResizeMap, UnfoldMaps, UnfoldTokens
from mobilevit_edge.specs import Attention
from tests.support.networks import FAMILIES, MAPS, TOKENS, Family
from tests.support.rewrites import (
    apply_alone,
    assert_exact,
    assert_refused,
    assert_unchanged,
    batches_of_images,
    count,
    few,
    fingerprint,
    noise,
    prepared_for,
    random_model,
    rewritten,
    small_model,
    small_specs,
)

FAMILIES_OF: dict[str, tuple[Family, ...]] = {
    "batch_norm_fold": FAMILIES,
    "norm_affine_fold": FAMILIES,
    "key_after_pooling": MAPS,
    "explicit_attention": TOKENS,
    "explicit_silu": FAMILIES,
    "norm_from_poolings": MAPS,
    "phase_layout": MAPS,
    "token_layout": TOKENS,
    "layer_norm_as_projections": TOKENS,
    "row_phases": FAMILIES,
    "instance_norm": FAMILIES,
    "blocked_layout": MAPS,
    "pixel_layout": MAPS,
    "shuffled_patches": MAPS,
    "joint_norm": MAPS,
    "channel_layout": TOKENS,
    "linear_pair_merge": FAMILIES,
    "head_as_convolution": FAMILIES,
    "early_pooling": MAPS,
    "pixel_pooling": MAPS,
    "bounded_softmax": TOKENS,
    "tanh_silu": FAMILIES,
    "any_size": FAMILIES,
    "band_layout": TOKENS,
    "phase_mask": TOKENS,
    "root_mean_square": TOKENS,
    "folded_attention": TOKENS,
    "split_heads": TOKENS,
    "split_fusion": TOKENS,
    "masked_pooling": MAPS,
}
"""The families that a rewrite is for. Those that not every input has a place for are elsewhere."""
ELSEWHERE = {
    "query_blocks",
    "preprocessing_fold",
    "stem_space_to_depth",
    "padded_heads",
    "image_pooling_as_bias",
    "pyramid_matrices",
    "pixel_pyramid",
    "short_concatenation",
}

CASES: list[tuple[tuple[str, ...], tuple[Family, ...]]] = [
    *(((name,), families) for name, families in FAMILIES_OF.items()),
    # Once more after those that move what they work on.
    (("layer_norm_as_projections", "bounded_softmax"), TOKENS),
    (("phase_layout", "linear_pair_merge"), MAPS),
    (("token_layout", "tanh_silu"), TOKENS),
    (("phase_layout", "tanh_silu"), MAPS),
    (
        ("norm_affine_fold", "phase_mask", "root_mean_square", "split_heads", "split_fusion"),
        TOKENS,
    ),
    (("root_mean_square", "folded_attention"), TOKENS),
    (("norm_affine_fold", "masked_pooling", "linear_pair_merge"), MAPS),
]

Kinds = tuple[type[nn.Module], ...]
REPLACED: dict[str, tuple[Kinds, Kinds]] = {
    "batch_norm_fold": ((nn.BatchNorm2d,), ()),
    "key_after_pooling": ((SeparableSelfAttention,), (PooledKeyAttention,)),
    "explicit_attention": ((MultiHeadSelfAttention,), (ExplicitAttention,)),
    "explicit_silu": ((nn.SiLU,), (ExplicitSiLU,)),
    "norm_from_poolings": ((nn.GroupNorm,), (PooledNorm,)),
    "phase_layout": ((MapBlock,), (PhaseMapBlock,)),
    "token_layout": ((TokenBlock,), (PixelTokenBlock,)),
    "layer_norm_as_projections": ((nn.LayerNorm,), (CenteredNorm,)),
    "row_phases": (
        (UnfoldMaps, FoldMaps, UnfoldTokens, FoldTokens),
        (RowUnfoldMaps, RowFoldMaps, RowUnfoldTokens, RowFoldTokens),
    ),
    "instance_norm": ((nn.LayerNorm, nn.GroupNorm), (TokenInstanceNorm, MapInstanceNorm)),
    "blocked_layout": ((RowUnfoldMaps,), (BlockedUnfoldMaps,)),
    "pixel_layout": ((UnfoldMaps,), (PixelUnfold,)),
    "shuffled_patches": ((UnfoldMaps, FoldMaps), (ConvUnfoldMaps, ShuffleFoldMaps)),
    "joint_norm": ((nn.GroupNorm,), (JointNorm,)),
    "channel_layout": ((TokenBlock,), (ChannelTokenBlock,)),
    "bounded_softmax": ((ExplicitAttention,), (BoundedAttention,)),
    "tanh_silu": ((nn.SiLU,), (TanhSiLU,)),
    "any_size": ((ResizeMap,), (AnySizeMap,)),
    "folded_attention": ((BandAttention,), (FoldedAttention,)),
    "split_heads": ((BandAttention,), (SplitHeadAttention,)),
    "split_fusion": ((TokenBlock,), (SplitFusionBlock,)),
    "masked_pooling": ((PooledKeyAttention,), (MaskedPoolingAttention,)),
    "root_mean_square": ((nn.LayerNorm,), (RootMeanSquareNorm,)),
}
"""What a rewrite replaces wherever it stands, and by what."""


def test_every_rewrite_is_listed() -> None:
    assert {*FAMILIES_OF, *ELSEWHERE} == set(REWRITES)


@pytest.mark.parametrize(("names", "families"), CASES, ids=[" then ".join(n) for n, _ in CASES])
@few
@given(data=st.data(), x=batches_of_images)
def test_the_network_stays_the_same(
    names: tuple[str, ...], families: tuple[Family, ...], data: st.DataObject, x: Tensor
) -> None:
    assert_exact(random_model(data.draw(small_specs(*families))), x, *names)


@pytest.mark.parametrize("attention", ["separable", "linformer"])
@pytest.mark.parametrize(
    "name",
    [
        "norm_affine_fold",
        "token_layout",
        "layer_norm_as_projections",
        "root_mean_square",
        "split_fusion",
    ],
)
def test_the_network_stays_the_same_with_other_attention(name: str, attention: Attention) -> None:
    for family in TOKENS:
        model = small_model(family, attention=attention, depth=2)
        assert_exact(model, noise(2, 3, 18, 16), name)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", FAMILIES_OF)
def test_the_network_stays_in_its_dtype(name: str, dtype: torch.dtype) -> None:
    for family in FAMILIES_OF[name]:
        changed, _ = rewritten(small_model(family).to(dtype), name)
        numbers = [*changed.parameters(), *changed.buffers()]
        assert {tensor.dtype for tensor in numbers if tensor.is_floating_point()} == {dtype}


@pytest.mark.parametrize("name", REPLACED)
def test_nothing_is_left_of_what_it_replaces(name: str) -> None:
    old, new = REPLACED[name]
    for family in FAMILIES_OF[name]:
        model = prepared_for(small_model(family, depth=2), name)
        sites = count(model, *old)
        assert apply_alone(model, name) == Outcome(name, sites)
        assert sites > 0
        assert count(model, *old) == 0
        assert count(model, *new) == (sites if new else 0)


@pytest.mark.parametrize(
    ("name", "family"),
    [(name, other) for name, own in FAMILIES_OF.items() for other in FAMILIES if other not in own],
)
def test_other_families_have_nothing_to_rewrite(name: str, family: Family) -> None:
    model = prepared_for(small_model(family), name)
    before = fingerprint(model)
    assert apply_alone(model, name) == Outcome(name, 0)
    assert_unchanged(model, before)


@pytest.mark.parametrize("name", ["norm_from_poolings", "instance_norm", "joint_norm"])
def test_a_group_norm_of_several_groups_is_refused(name: str) -> None:
    model = prepared_for(small_model("v2"), name)
    last = [part for part in model.modules() if isinstance(part, MapBlock)][-1]
    last.norm = nn.GroupNorm(2, 8, affine=False)
    assert_refused(model, name, "2 groups instead of one")


@pytest.mark.parametrize(
    "name", ["channel_layout", "layer_norm_as_projections", "root_mean_square"]
)
def test_a_layer_norm_that_still_has_scale_and_shift_is_refused(name: str) -> None:
    model = prepared_for(small_model("v1"), name)
    last = [part for part in model.modules() if isinstance(part, TokenBlock | PixelTokenBlock)][-1]
    last.norm = nn.LayerNorm(8, dtype=torch.float64)
    assert_refused(model, name, "scale and shift")
