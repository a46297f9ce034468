"""Optimizer, learning rate and averaged weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mobilevit_edge.training.recipe import Recipe

_POWER: Final = 0.9


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over the trainable parameters; norms and biases (vectors) are not decayed."""
    trainable = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {
            "params": [p for p in trainable if p.ndim > 1],
            "weight_decay": recipe.weight_decay,
        },
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)


def rate_at(step: int, total: int, recipe: Recipe) -> float:
    """The learning rate of iteration ``step`` of ``total``, as a share of its peak.

    Linear warm-up, then down to ``final_rate``: half a cosine (Loshchilov & Hutter 2016,
    arXiv:1608.03983, equation 5, without restarts), or by a power of what is left (DeepLab, Chen et
    al. 2016, arXiv:1606.00915, section 4.1.1).
    """
    warmup = round(recipe.warmup * total)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = min((step - warmup) / max(total - warmup - 1, 1), 1.0)
    if recipe.schedule == "poly":
        left = math.pow(1 - progress, _POWER)
    else:
        left = (1 + math.cos(math.pi * progress)) / 2
    return recipe.final_rate + (1 - recipe.final_rate) * left


def make_scheduler(optimizer: torch.optim.Optimizer, total: int, recipe: Recipe) -> LambdaLR:
    """:func:`rate_at` at every iteration; a closed form, so that resuming cannot drift."""
    return LambdaLR(optimizer, lambda step: rate_at(step, total, recipe))


def make_average(network: nn.Module, recipe: Recipe) -> AveragedModel:
    """The exponential moving average of weights and batch statistics.

    The decay grows with the number of updates n as (1 + n) / (10 + n) up to ``ema_decay``, so that
    short runs do not keep their random start (TensorFlow's ``ExponentialMovingAverage``).
    """

    def update(
        averages: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int
    ) -> None:
        n = int(updates)
        decay = min(recipe.ema_decay, (1 + n) / (10 + n))
        get_ema_multi_avg_fn(decay)(averages, current, updates)  # type: ignore[no-untyped-call]

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)
