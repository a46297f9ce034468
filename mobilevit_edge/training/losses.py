"""What a network learns from: cross-entropy, of images or of their pixels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from mobilevit_edge.head_specs import SSDLiteSpec
from mobilevit_edge.models.layers import resize_map
from mobilevit_edge.specs import ModelSpec
from mobilevit_edge.training.masks import IGNORED


def loss_of(spec: ModelSpec, logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """The mean over a batch, in nats.

    Args:
        spec: of the network.
        logits: ``[B, C]``, or those of a head for masks, ``[B, C, h, w]``.
        targets: classes ``[B]``, the share of each ``[B, C]``, or those of pixels ``[B, H, W]``,
            where pixels without one do not count.
        label_smoothing: share of the target that is spread over all classes.
    """
    if spec.head is None:
        return F.cross_entropy(logits, targets, label_smoothing=label_smoothing)
    summed = F.cross_entropy(
        enlarged(spec, logits, (targets.shape[1], targets.shape[2])),
        targets,
        ignore_index=IGNORED,
        label_smoothing=label_smoothing,
        reduction="sum",
    )
    # A crop may have no pixel that counts.
    return summed / (targets != IGNORED).sum().clamp(min=1)


def enlarged(spec: ModelSpec, logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits of a head for masks at the size of its input. ``[B, C, h, w] -> [B, C, *size]``.

    The last step of CVNets v0.1, to the nearest, is for photos of other sizes than the input.
    """
    head = spec.head
    if head is None or isinstance(head, SSDLiteSpec):
        raise ValueError(f"{spec.name} has no head for masks")
    return resize_map(logits, size, align_corners=head.resize == "aligned")
