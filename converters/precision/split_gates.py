"""SiLU as the product of two convolutions, so that 8 bits hold every channel alike.

Between the 1x1 expansion of an inverted residual and its depthwise convolution, ranges of channels
differ up to a thousandfold, and 256 levels for all of them leave the small ones nothing. SiLU(s x)
is not s SiLU(x), but SiLU is a value times a gate, SiLU(x) = x sigmoid(x), and the value alone may
be scaled: with S a diagonal of factors, one a channel,

    depthwise(silu(E x)) = (depthwise S) [(S^-1 E x) sigmoid(E x)],

where S^-1 E and E are convolutions of their own, and depthwise S is depthwise with its kernels
scaled: the same products and sums but for the order of factors. With S the largest value of each
channel, the scaled values of all of them lie in [-1, 1], and so do the products; and the gate needs
its argument only where sigmoid has not yet ended, within ``GATE_LIMIT`` of zero. Every channel thus
has a scale of its own, for one more convolution. Where a matrix unit makes convolutions nearly
free, as in the NPU, that costs less than range groups do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor, nn

from converters.precision.channel_ranges import ChannelRanges, measure_channels
from converters.precision.ranges import SILU_FLOOR
from converters.rewrites.algebra import make_conv
from converters.rewrites.base import parts_of
from mobilevit_edge.models.layers import InvertedResidual

VALUE: Final = "scaled"
GATE: Final = "gate"
"""Names of the two convolutions in the module that holds them."""
GATE_LIMIT: Final = 8.0
"""sigmoid is within 4e-4 of its ends beyond."""
VALUE_FLOOR: Final = -1.0
"""Scaled values below belong to gates that are shut."""
_SMALLEST: Final = 1e-3


class SplitGate(nn.Module):
    """1x1 expansion and SiLU with a scale for each channel.

    ``[B, C, H, W] -> [B, hidden, H, W]``, channel by channel the activation divided by its scale.
    """

    def __init__(self, expand: nn.Conv2d, scales: Tensor) -> None:
        super().__init__()
        bias = None if expand.bias is None else expand.bias.double() / scales
        # [hidden] -> [hidden, 1, 1, 1]: a row of the kernel for each channel
        rows = expand.weight.double() / scales.reshape(-1, 1, 1, 1)
        self.scaled = make_conv(rows, bias, dtype=expand.weight.dtype)
        self.gate = expand

    def forward(self, x: Tensor) -> Tensor:
        """The scaled activation."""
        gated: Tensor = self.scaled(x) * torch.sigmoid(self.gate(x))
        return gated


def apply_split_gates(module: nn.Module, batches: Iterable[Tensor]) -> None:
    """Split the expansion of every inverted residual, in place.

    Args:
        module: its batch norms must have been folded into its convolutions.
        batches: inputs of the module, to measure ranges on.
    """
    sites = [
        part
        for _, part in parts_of(module, InvertedResidual)
        if isinstance(part.expand.norm, nn.Identity) and isinstance(part.expand.act, nn.SiLU)
    ]
    parts = [(part.expand.conv, part.expand.conv.out_channels) for part in sites]
    for part, ranges in zip(sites, measure_channels(module, parts, batches), strict=True):
        scales = _scales(ranges)
        depthwise = part.depthwise.conv
        # [hidden] -> [hidden, 1, 1, 1]: a kernel for each channel
        kernels = depthwise.weight.double() * scales.reshape(-1, 1, 1, 1)
        part.expand.conv = SplitGate(part.expand.conv, scales)  # type: ignore[assignment]
        part.expand.act = nn.Identity()
        part.depthwise.conv = make_conv(
            kernels,
            depthwise.bias,
            stride=depthwise.stride[0],
            padding=(int(depthwise.padding[0]), int(depthwise.padding[1])),
            dilation=depthwise.dilation[0],
            groups=depthwise.groups,
            dtype=depthwise.weight.dtype,
        )
        part.eval()


def _scales(ranges: ChannelRanges) -> Tensor:
    """The largest value of each channel that SiLU does not make zero. ``[C]``."""
    lowest = ranges.low.clamp(min=SILU_FLOOR)
    return torch.maximum(ranges.high, -lowest).clamp(min=_SMALLEST).double()
