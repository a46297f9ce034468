"""How well a network classifies held-out images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TOP_K = 5


@dataclass(frozen=True)
class Evaluation:
    """Result over a whole set. ``loss`` is the mean cross-entropy in nats; accuracies are 0 to 1.

    ``top5`` is ``None`` with five classes or fewer. ``confusion`` counts images,
    ``[actual, predicted]``.
    """

    loss: float
    top1: float
    top5: float | None
    confusion: npt.NDArray[np.int64]


@torch.no_grad()
def evaluate(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    num_classes: int,
    device: torch.device,
    after_batch: Callable[[int], None],
) -> Evaluation:
    """Run ``network``, which must be in eval mode, over ``(images [B, 3, H, W], classes [B])``.

    ``after_batch`` gets the number of images so far, and may raise to stop.
    """
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    loss, in_top, seen = 0.0, 0, 0
    for images, targets in batches:
        inputs = images.to(device).contiguous(memory_format=torch.channels_last)
        logits = network(inputs).float().cpu()
        loss += F.cross_entropy(logits, targets, reduction="sum").item()
        # [B, C] -> [B, k], best first
        top = logits.topk(min(TOP_K, num_classes), dim=1).indices
        in_top += int((top == targets[:, None]).any(dim=1).sum())
        cells = torch.bincount(targets * num_classes + top[:, 0], minlength=num_classes**2)
        # [C * C] -> [C, C]
        confusion += cells.reshape(num_classes, num_classes)
        seen += len(targets)
        after_batch(seen)
    return Evaluation(
        loss=loss / seen,
        top1=int(confusion.trace()) / seen,
        top5=in_top / seen if num_classes > TOP_K else None,
        confusion=confusion.numpy(),
    )
