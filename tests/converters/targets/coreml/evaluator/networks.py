"""Two small torch modules that the tests put into packages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LABELS = ["ant", "bee", "cat"]
SIZES = ((8, 6), (4, 10))


class Network(nn.Module):
    """``[1, 3, H, W]`` -> logits ``[1, 3]`` and their softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.conv(x).relu().flatten(2).mean(2)
        logits = self.head(y)
        return logits, torch.softmax(logits, -1)


class Folded(nn.Module):
    """Pairs of rows as channels, in a shape that depends on the input's."""

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        # [B, C, H / 2, 2, W] -> [B, C, 2, H / 2, W] -> [B, 2 * C, H / 2 * W]
        return x.reshape(b, c, h // 2, 2, w).transpose(2, 3).reshape(b, 2 * c, -1)
