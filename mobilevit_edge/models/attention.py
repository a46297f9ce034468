"""The three attention units that the MobileViTv2 paper compares (its figures 2 and 3).

Multi-head and Linformer attention work on sequences of tokens. Separable attention exists in two
forms with the same arithmetic: on feature maps, as in MobileViTv2, and on tokens, for swapping the
unit inside a block that works on tokens (V2 paper, table 1).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _split_heads(x: Tensor, heads: int) -> Tensor:
    b, n, d = x.shape
    # [B, N, d] -> [B, N, heads, d / heads] -> [B, heads, N, d / heads]
    return x.reshape(b, n, heads, d // heads).transpose(1, 2)


def _merge_heads(x: Tensor) -> Tensor:
    b, heads, n, head_dim = x.shape
    # [B, heads, N, d / heads] -> [B, N, heads, d / heads] -> [B, N, d]
    return x.transpose(1, 2).reshape(b, n, heads * head_dim)


class MultiHeadSelfAttention(nn.Module):
    """Scaled dot-product attention between all pairs of tokens: O(N^2). ``[B, N, d] -> same``."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (_split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        scores = torch.softmax((q * self.scale) @ k.transpose(-2, -1), dim=-1)
        return self.out(_merge_heads(scores @ v))  # type: ignore[no-any-return]


class LinformerSelfAttention(nn.Module):
    """Attention over keys and values projected from N to p tokens: O(N p). ``[B, N, d] -> same``.

    The projection is learned for at most ``max_tokens`` positions (Wang et al. 2020,
    arXiv:2006.04768, section 4; one projection shared by keys, values and heads).
    """

    def __init__(self, dim: int, heads: int, *, max_tokens: int, projected_tokens: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.projection = nn.Parameter(torch.empty(projected_tokens, max_tokens))
        nn.init.normal_(self.projection, std=projected_tokens**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[1]
        if n > self.projection.shape[1]:
            raise ValueError(
                f"this Linformer unit was built for at most {self.projection.shape[1]} tokens, "
                f"got {n}: use a smaller image or another attention unit"
            )
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        # [p, N] @ [B, N, d] -> [B, p, d]
        k, v = self.projection[:, :n] @ k, self.projection[:, :n] @ v
        q, k, v = (_split_heads(part, self.heads) for part in (q, k, v))
        scores = torch.softmax((q * self.scale) @ k.transpose(-2, -1), dim=-1)
        return self.out(_merge_heads(scores @ v))  # type: ignore[no-any-return]


def _separable_attention(qkv: Tensor, *, channel_dim: int, token_dim: int) -> Tensor:
    """Context-weighted values from the joint projection ``qkv`` (V2 paper, equation 4).

    ``qkv`` holds 1 + d + d channels along ``channel_dim``: query, key, value. Softmax over the
    tokens turns the query into context scores; the score-weighted sum of the keys is the one
    context vector that gates every value.
    """
    dim = (qkv.shape[channel_dim] - 1) // 2
    query, key, value = torch.split(qkv, [1, dim, dim], dim=channel_dim)
    scores = torch.softmax(query, dim=token_dim)
    context = (key * scores).sum(dim=token_dim, keepdim=True)
    return F.relu(value) * context


class SeparableSelfAttention(nn.Module):
    """Separable attention on maps: O(N), element-wise operators only. ``[B, d, P, N] -> same``.

    Pixels of equal position inside their patch (P) attend to each other over the patches (N).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(dim, 1 + 2 * dim, 1)
        self.out = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = _separable_attention(self.qkv(x), channel_dim=1, token_dim=3)
        return self.out(y)  # type: ignore[no-any-return]


class TokenSeparableSelfAttention(nn.Module):
    """Separable attention on tokens. ``[B, N, d] -> same``."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 1 + 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        y = _separable_attention(self.qkv(x), channel_dim=2, token_dim=1)
        return self.out(y)  # type: ignore[no-any-return]
