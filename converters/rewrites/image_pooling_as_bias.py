"""DeepLabV3's image pooling joins the pyramid as a bias, without a map of its own.

The pooled branch is one vector p, spread over the map. Its share of the projection over all
branches is the same in every pixel: W [b; spread(p)] = W_b b + spread(W_p p). A fifth of the
concatenated map, and of the projection's multiply-adds, goes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.algebra import make_conv, matrix_of
from converters.rewrites.base import Context, RefusedError, Rewrite, swap
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.models.segmentation import DeepLabV3Head, ImagePooling


class PooledBiasHead(nn.Module):
    """A head whose image pooling is a bias. ``[B, C, h, w] -> [B, num_classes, h, w]``."""

    def __init__(self, head: DeepLabV3Head, pooling: ImagePooling) -> None:
        super().__init__()
        self.branches = head.branches[:-1]
        self.pool, self.pooled = pooling.pool, pooling.project
        weight, bias = matrix_of(head.project.conv)
        inside = weight.shape[1] - pooling.project.conv.out_channels
        dtype = head.project.conv.weight.dtype
        self.project = make_conv(weight[:, :inside], None, dtype=dtype)
        self.project_pooled = make_conv(weight[:, inside:], bias, dtype=dtype)
        self.act = head.project.act
        self.classifier = head.classifier

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([branch(x) for branch in self.branches], dim=1)
        # [B, width, h, w] + [B, width, 1, 1]
        y = self.project(joined) + self.project_pooled(self.pooled(self.pool(x)))
        return self.classifier(self.act(y))  # type: ignore[no-any-return]


def _apply(model: MobileViT, context: Context) -> int:
    head = model.head
    if not isinstance(head, DeepLabV3Head):
        return 0
    pooling = head.branches[-1]
    if not isinstance(pooling, ImagePooling):
        raise RefusedError("the pyramid's last branch is not its image pooling")
    swap(model, "head", PooledBiasHead(head, pooling))
    return 1


REWRITE = Rewrite(
    name="image_pooling_as_bias",
    identity="W [b; spread(p)] = W_b b + spread(W_p p)",
    requires=("batch_norm_fold",),
    apply=_apply,
)
