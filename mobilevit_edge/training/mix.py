"""Batches of mixed images: mixup and CutMix."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mobilevit_edge.training.recipe import Recipe


def mix(
    images: Tensor, targets: Tensor, classes: int, recipe: Recipe, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mix every image of a batch with its neighbor, as ``recipe`` asks.

    ``recipe.mixup`` blends them (Zhang et al. 2017, arXiv:1710.09412, equation 1),
    ``recipe.cutmix`` covers a box of one with the other's (Yun et al. 2019, arXiv:1905.04899,
    equations 1 and 2); with both, each batch has one or the other. A batch has one share, drawn
    from Beta(alpha, alpha).

    Args:
        images: ``[B, 3, H, W]``, in random order.
        targets: their classes, ``[B]``.
        classes: how many there are.
        recipe: the alphas.
        rng: what is drawn from, nothing if the recipe mixes none.

    Returns:
        Images ``[B, 3, H, W]``, and the share of each class in them ``[B, classes]``; what was
        given, if the recipe mixes none.
    """
    alphas = [alpha for alpha in (recipe.mixup, recipe.cutmix) if alpha > 0]
    if not alphas:
        return images, targets
    chosen = int(rng.integers(len(alphas)))
    blends = recipe.mixup > 0 and chosen == 0
    share = rng.beta(alphas[chosen], alphas[chosen])
    others = images.roll(1, 0)
    if blends:
        mixed = torch.lerp(others, images, share)
    else:
        top, bottom, left, right = _box(images.shape[2], images.shape[3], 1 - share, rng)
        mixed = images.clone()
        mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (images.shape[2] * images.shape[3])
    shares = F.one_hot(targets, classes).to(images.dtype)
    return mixed, torch.lerp(shares.roll(1, 0), shares, share)


def _box(
    height: int, width: int, area: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """A box (top, bottom, left, right) of this share of the area, cut off at the borders."""
    side = math.sqrt(area)
    top = int(rng.integers(height)) - round(height * side) // 2
    left = int(rng.integers(width)) - round(width * side) // 2
    bottom, right = top + round(height * side), left + round(width * side)
    return max(top, 0), min(bottom, height), max(left, 0), min(right, width)
