"""Pixel scaling and channel order move into the stem.

With w the stem's kernel, x bytes and s = 1/255: conv(w, s * x) = conv(s * w, x), and a permutation
of the input's channels equals the same permutation of the kernel's input channels. Zero padding is
zero before and after, since no mean is subtracted.
"""

from __future__ import annotations

import torch

from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.preprocess import ChannelOrder

NAME = "preprocessing_fold"


def fold_preprocessing(model: MobileViT, channel_order: ChannelOrder) -> int:
    """Make ``model`` take RGB bytes as floats 0..255, in place. Returns the sites changed: 1."""
    stem = model.stem.conv
    with torch.no_grad():
        # [out, 3, 3, 3]: dimension 1 is the colour.
        weight = stem.weight.flip(1) if channel_order == "BGR" else stem.weight
        stem.weight.copy_(weight / 255)
    return 1
