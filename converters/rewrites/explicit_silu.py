"""SiLU as the product of its input and a sigmoid.

silu(x) = x sigmoid(x) by definition. In fp16, torch decomposes the fused operator through fp32,
which would leave two conversions outside the delegate for each activation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.rewrites.base import Context, Rewrite, parts_of, swap
from mobilevit_edge.models.network import MobileViT


class ExplicitSiLU(nn.Module):
    """``x * sigmoid(x)``, any shape."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


def _apply(model: MobileViT, context: Context) -> int:
    sites = parts_of(model, nn.SiLU)
    for name, _ in sites:
        swap(model, name, ExplicitSiLU())
    return len(sites)


REWRITE = Rewrite(
    name="explicit_silu",
    identity="silu(x) = x sigmoid(x)",
    requires=(),
    apply=_apply,
)
