"""How well a network classifies held-out images, or their pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.training.losses import enlarged, loss_of
from mobilevit_edge.training.masks import IGNORED

TOP_K = 5
SCORES: Final = ("top1", "top5", "miou", "accuracy")
"""Of every kind; a run has its own two, of which the first decides which epoch is the best."""


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

    @property
    def scores(self) -> Mapping[str, float | None]:
        """What the log shows; the first one decides which epoch is the best."""
        return {"top1": self.top1, "top5": self.top5}


@dataclass(frozen=True)
class MaskEvaluation:
    """Result over a whole set: ``loss`` is the mean over pixels, ``confusion`` counts them."""

    loss: float
    confusion: npt.NDArray[np.int64]

    @property
    def ious(self) -> npt.NDArray[np.float64]:
        """Intersection over union of each class, NaN where it is nowhere, ``[C]``."""
        return ious_of(self.confusion)

    @property
    def scores(self) -> Mapping[str, float | None]:
        """Mean IoU, and the share of pixels that are right."""
        pixels = max(int(self.confusion.sum()), 1)
        return {
            "miou": mean_iou(self.confusion),
            "accuracy": int(self.confusion.trace()) / pixels,
        }


def confusion_of(actual: Tensor, found: Tensor, num_classes: int) -> Tensor:
    """How often which class was taken for which: ``[n], [n]`` -> ``[actual, found]`` int64."""
    cells = torch.bincount(actual * num_classes + found, minlength=num_classes**2)
    # [C * C] -> [C, C]
    return cells.reshape(num_classes, num_classes)


def ious_of(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Intersection over union of each class, NaN where it is nowhere. ``[C, C] -> [C]``."""
    found = confusion.diagonal().astype(np.float64)
    union = confusion.sum(0) + confusion.sum(1) - found
    with np.errstate(invalid="ignore"):
        return np.asarray(found / union)


def mean_iou(confusion: npt.NDArray[np.int64]) -> float:
    """Mean IoU over the classes that are anywhere, 0 to 1."""
    ious = ious_of(confusion)
    known = ious[~np.isnan(ious)]
    return float(known.mean()) if len(known) else 0.0


Evaluated: TypeAlias = Evaluation | MaskEvaluation


@torch.no_grad()
def evaluate_masks(
    network: MobileViT,
    batches: Iterable[tuple[Tensor, Tensor]],
    num_classes: int,
    device: torch.device,
    after_batch: Callable[[int], None],
) -> MaskEvaluation:
    """Run ``network`` over ``(images [B, 3, H, W], classes of pixels [B, H, W])``, at that size."""
    confusion = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    loss, seen = 0.0, 0
    for images, targets in batches:
        inputs = images.to(device).contiguous(memory_format=torch.channels_last)
        logits = network(inputs).float().cpu()
        full = enlarged(network.spec, logits, (targets.shape[1], targets.shape[2]))
        counted = targets != IGNORED
        loss += loss_of(network.spec, logits, targets, 0.0).item() * int(counted.sum())
        # Of the pixels that count: [n]
        actual, found = targets[counted], full.argmax(1)[counted]
        confusion += confusion_of(actual, found, num_classes)
        seen += len(targets)
        after_batch(seen)
    return MaskEvaluation(loss / max(int(confusion.sum()), 1), confusion.numpy())


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
        confusion += confusion_of(targets, top[:, 0], num_classes)
        seen += len(targets)
        after_batch(seen)
    return Evaluation(
        loss=loss / seen,
        top1=int(confusion.trace()) / seen,
        top5=in_top / seen if num_classes > TOP_K else None,
        confusion=confusion.numpy(),
    )
