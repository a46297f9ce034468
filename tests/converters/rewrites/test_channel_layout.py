"""Blocks of V1's line with channels first."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.rewrites.channel_layout import (
    ChannelAttention,
    ChannelNorm,
    ChannelTokenBlock,
    _merge,
)
from converters.rewrites.explicit_attention import ExplicitAttention
from converters.rewrites.shuffled_patches import PatchConv
from mobilevit_edge.models.attention import MultiHeadSelfAttention
from mobilevit_edge.models.layers import UnfoldTokens
from mobilevit_edge.specs import Attention
from tests.support.networks import BLOCKS, TOKENS, Family
from tests.support.rewrites import (
    EXACT,
    assert_refused,
    count,
    difference,
    few,
    noise,
    randomize,
    rewritten,
    small_model,
)

NAME = "channel_layout"
sides = st.integers(1, 5)


@few
@given(st.integers(1, 3), st.sampled_from([4, 8]), sides, sides)
def test_attention_on_maps_is_attention_on_tokens(b: int, dim: int, h: int, w: int) -> None:
    reference = MultiHeadSelfAttention(dim, 4).double()
    randomize(reference)
    attention = ChannelAttention(ExplicitAttention.from_reference(reference))
    x = noise(b, dim, h, w)
    with torch.no_grad():
        # [B, d, h, w] -> [B, N, d] and back
        expected = reference(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)
        assert difference(attention(x), expected) < EXACT


@few
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(1, 4), st.integers(1, 9)),
    scale=st.sampled_from([1e-4, 1.0, 1e4]),
)
def test_the_norm_is_layer_norm_of_centered_maps(
    shape: tuple[int, int, int, int], scale: float
) -> None:
    x = scale * noise(*shape)
    x = x - x.mean(1, keepdim=True)
    expected = torch.layer_norm(x.movedim(1, -1), shape[1:2], eps=1e-5).movedim(-1, 1)
    assert difference(ChannelNorm(1e-5)(x), expected) < EXACT


@few
@given(st.integers(1, 3), st.integers(1, 5), sides, sides)
def test_phases_lie_outermost_and_merging_puts_them_back(b: int, d: int, h: int, w: int) -> None:
    block = ChannelTokenBlock.__new__(ChannelTokenBlock)
    nn.Module.__init__(block)
    block.fuses_local, block.split = False, PatchConv(d, torch.float64)
    x = noise(b, d, 2 * h, 2 * w)
    phases = block._enter(x)
    # [B P, N, d] -> [P, B, d, h, w] -> [P B, d, h, w]
    tokens = UnfoldTokens()(x).reshape(b, 4, h, w, d).permute(1, 0, 4, 2, 3)
    assert torch.equal(phases, tokens.reshape(4 * b, d, h, w))
    assert torch.equal(_merge(phases), x)


@pytest.mark.parametrize("family", TOKENS)
def test_no_linear_layer_is_left_but_the_classifier(family: Family) -> None:
    changed, _ = rewritten(small_model(family), NAME)
    assert count(changed, nn.LayerNorm) == 0
    assert count(changed, nn.Linear) == 1


def test_the_stream_of_every_layer_has_zero_mean() -> None:
    changed, _ = rewritten(small_model("v3_tokens", depth=2), NAME)
    means: list[float] = []

    def record(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        means.append(float(inputs[0].mean(1).abs().max() / inputs[0].abs().max()))

    for part in changed.modules():
        if isinstance(part, ChannelNorm):
            part.register_forward_pre_hook(record)
    with torch.no_grad():
        changed(noise(2, 3, 16, 16, mean=3.0))
    assert len(means) == BLOCKS * (2 * 2 + 1)
    assert max(means) < EXACT


def test_no_transpose_is_left_inside_attention() -> None:
    """The two that torch needs are operands' flags in the runtimes' products."""
    reference = MultiHeadSelfAttention(8, 4)
    attention = ChannelAttention(ExplicitAttention.from_reference(reference)).eval()
    program = torch.export.export(attention, (torch.rand(4, 8, 3, 5),))
    moves = [
        node
        for node in program.graph.nodes
        if node.op == "call_function" and "transpose" in str(node.target)
    ]
    products = {user.target for node in moves for user in node.users}
    assert len(moves) == 2
    assert products == {torch.ops.aten.matmul.default}
    assert not any("permute" in str(node.target) for node in program.graph.nodes)


@pytest.mark.parametrize("attention", ["separable", "linformer"])
def test_other_attention_is_refused(attention: Attention) -> None:
    model = small_model("v1", attention=attention)
    assert_refused(model, NAME, f"its attention is {attention}, not multi_head")
