"""The three attention units against independent formulations."""

from __future__ import annotations

from typing import TypeVar

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mobilevit_edge.models.attention import (
    LinformerSelfAttention,
    MultiHeadSelfAttention,
    SeparableSelfAttention,
    TokenSeparableSelfAttention,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


Unit = TypeVar("Unit", bound=nn.Module)


def randomized(module: Unit) -> Unit:
    random = generator(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=random))
    return module.double().eval()


def separable_by_loops(unit: SeparableSelfAttention, x: Tensor) -> Tensor:
    """Equation 4 of the V2 paper, one pixel and one patch at a time. ``[B, d, P, N]``."""
    b, d, p, n = x.shape
    weight, bias, out_bias = unit.qkv.weight[:, :, 0, 0], unit.qkv.bias, unit.out.bias
    assert bias is not None
    assert out_bias is not None
    y = torch.empty_like(x)
    for image in range(b):
        for pixel in range(p):
            tokens = [weight @ x[image, :, pixel, k] + bias for k in range(n)]
            scores = torch.stack([token[0] for token in tokens]).exp()
            scores = scores / scores.sum()
            context = torch.zeros(d, dtype=x.dtype)
            for token, score in zip(tokens, scores, strict=True):
                context = context + score * token[1 : 1 + d]
            for k, token in enumerate(tokens):
                gated = token[1 + d :].clamp(min=0) * context
                out = unit.out.weight[:, :, 0, 0] @ gated
                y[image, :, pixel, k] = out + out_bias
    return y


@torch.no_grad()
def test_separable_attention_is_the_papers_formula() -> None:
    unit = randomized(SeparableSelfAttention(6))
    x = torch.randn(2, 6, 4, 5, generator=generator(), dtype=torch.double)
    torch.testing.assert_close(unit(x), separable_by_loops(unit, x), rtol=1e-12, atol=1e-12)


@settings(max_examples=20)
@given(dim=st.integers(1, 6), pixels=st.integers(1, 4), patches=st.integers(1, 6))
@torch.no_grad()
def test_the_token_form_of_separable_attention_equals_the_map_form(
    dim: int, pixels: int, patches: int
) -> None:
    on_maps = randomized(SeparableSelfAttention(dim))
    on_tokens = TokenSeparableSelfAttention(dim).double()
    for part in ("qkv", "out"):
        getattr(on_tokens, part).weight.copy_(getattr(on_maps, part).weight[:, :, 0, 0])
        getattr(on_tokens, part).bias.copy_(getattr(on_maps, part).bias)
    x = torch.randn(2, dim, pixels, patches, generator=generator(), dtype=torch.double)
    # [B, d, P, N] -> [B, P, N, d] -> [B * P, N, d]
    tokens = x.permute(0, 2, 3, 1).reshape(2 * pixels, patches, dim)
    y = on_tokens(tokens).reshape(2, pixels, patches, dim).permute(0, 3, 1, 2)
    torch.testing.assert_close(on_maps(x), y, rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_pixels_of_different_position_do_not_attend_to_each_other() -> None:
    unit = randomized(SeparableSelfAttention(4))
    x = torch.randn(1, 4, 4, 5, generator=generator(), dtype=torch.double)
    changed = x.clone()
    changed[:, :, 2, 3] += 1
    difference = (unit(changed) - unit(x)).abs().amax(dim=(0, 1))
    assert (difference[2] > 0).all(), "every patch sees the change at its own pixel position"
    assert difference[[0, 1, 3]].max() == 0


@pytest.mark.parametrize(("dim", "heads"), [(8, 1), (8, 2), (12, 4), (12, 12)])
@torch.no_grad()
def test_multi_head_attention_equals_torchs_own(dim: int, heads: int) -> None:
    unit = randomized(MultiHeadSelfAttention(dim, heads))
    x = torch.randn(3, 7, dim, generator=generator(), dtype=torch.double)
    q, k, v = (
        torch.unflatten(part, -1, (heads, dim // heads)).transpose(1, 2)
        for part in torch.split(F.linear(x, unit.qkv.weight, unit.qkv.bias), dim, dim=-1)
    )
    attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    expected = F.linear(attended, unit.out.weight, unit.out.bias)
    torch.testing.assert_close(unit(x), expected, rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_linformer_with_the_identity_as_projection_is_multi_head_attention() -> None:
    linformer = randomized(LinformerSelfAttention(8, 2, max_tokens=6, projected_tokens=6))
    linformer.projection.copy_(torch.eye(6))
    full = MultiHeadSelfAttention(8, 2).double()
    full.load_state_dict({k: v for k, v in linformer.state_dict().items() if k != "projection"})
    x = torch.randn(2, 6, 8, generator=generator(), dtype=torch.double)
    torch.testing.assert_close(linformer(x), full(x), rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_linformer_projects_keys_and_values_and_not_queries() -> None:
    unit = randomized(LinformerSelfAttention(4, 1, max_tokens=6, projected_tokens=2))
    x = torch.randn(1, 5, 4, generator=generator(), dtype=torch.double)
    q, k, v = torch.split(F.linear(x[0], unit.qkv.weight, unit.qkv.bias), 4, dim=-1)
    k, v = unit.projection[:, :5] @ k, unit.projection[:, :5] @ v
    expected = torch.softmax(q @ k.T / 4**0.5, dim=-1) @ v
    expected = F.linear(expected, unit.out.weight, unit.out.bias)
    torch.testing.assert_close(unit(x)[0], expected, rtol=1e-10, atol=1e-10)


def test_linformer_refuses_more_tokens_than_it_was_built_for() -> None:
    unit = LinformerSelfAttention(8, 2, max_tokens=6, projected_tokens=2)
    with pytest.raises(ValueError, match="at most 6 tokens, got 7"):
        unit(torch.zeros(1, 7, 8))
