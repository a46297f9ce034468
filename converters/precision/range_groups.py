"""Channels of unlike range go into groups with an int8 scale of their own each.

Between the 1x1 expansion of an inverted residual and its depthwise convolution, ranges of channels
differ up to a thousandfold, and 256 levels for all of them leave the small ones nothing. No factor
per channel can even them out, since SiLU(s x) is not s SiLU(x). But every operator there works on
channels one by one, so they may be permuted and split: with P a permutation and [h1; h2] = P h,

    depthwise(silu(E x)) = P' [depthwise_1(silu(E_1 x)); depthwise_2(silu(E_2 x))],

where E_k and depthwise_k hold the rows of group k, and P' joins the projection's columns: the same
products and sums, in another order of channels. The depthwise outputs are alike in range again
(their batch norm made them so) and are concatenated with one scale.

Sorted by range, the groups are those that leave the least rounding noise behind the depthwise
convolution; there are as many as bring that below ``NOISE_RATIO`` times the noise of rounding the
depthwise output itself, at most ``MAX_GROUPS``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from converters.precision.channel_ranges import ChannelRanges, measure_channels
from converters.precision.ranges import SILU_FLOOR
from converters.rewrites.algebra import make_conv
from converters.rewrites.base import parts_of
from mobilevit_edge.models.layers import ConvNormAct, InvertedResidual

MAX_GROUPS: Final = 4
NOISE_RATIO: Final = 1.0
_MULTIPLE: Final = 8
"""Groups hold multiples of so many channels: the width of the kernels' vectors."""


class GroupedExpansion(nn.Module):
    """1x1 expansion, activation and depthwise convolution, a group of channels at a time.

    ``[B, C, H, W] -> [B, hidden, ceil(H / stride), ceil(W / stride)]``
    """

    def __init__(
        self,
        expand: nn.Conv2d,
        act: nn.Module,
        depthwise: nn.Conv2d,
        order: Tensor,
        sizes: tuple[int, ...],
    ) -> None:
        super().__init__()
        groups = torch.split(order, list(sizes))
        self.expands = nn.ModuleList(_rows(expand, rows) for rows in groups)
        self.act = act
        self.depthwises = nn.ModuleList(_rows(depthwise, rows) for rows in groups)

    def forward(self, x: Tensor) -> Tensor:
        """The depthwise map, its channels in the order of the groups."""
        parts = zip(self.expands, self.depthwises, strict=True)
        return torch.cat([depthwise(self.act(expand(x))) for expand, depthwise in parts], dim=1)


def _rows(conv: nn.Conv2d, rows: Tensor) -> nn.Conv2d:
    """The output channels ``rows`` of a 1x1 or of a depthwise convolution."""
    return make_conv(
        conv.weight[rows],
        None if conv.bias is None else conv.bias[rows],
        stride=conv.stride[0],
        padding=(int(conv.padding[0]), int(conv.padding[1])),
        dilation=conv.dilation[0],
        groups=1 if conv.groups == 1 else len(rows),
        dtype=conv.weight.dtype,
    )


@dataclass(frozen=True)
class _Measured:
    """Ranges of one inverted residual: around its first activation, and of the depthwise map."""

    expanded: ChannelRanges
    activated: ChannelRanges
    output: ChannelRanges


def apply_range_groups(
    module: nn.Module, batches: Iterable[Tensor], *, max_groups: int = MAX_GROUPS
) -> None:
    """Split the inverted residuals whose channels need it, in place.

    Args:
        module: its batch norms must have been folded into its convolutions.
        batches: inputs of the module, to measure ranges on.
        max_groups: upper limit of the groups in one place.
    """
    sites = [
        (path, part)
        for path, part in parts_of(module, InvertedResidual)
        if isinstance(part.expand.norm, nn.Identity)
    ]
    measured = _measure(module, sites, batches)
    for index, (path, part) in enumerate(sites):
        order, sizes = _plan(measured[path], part.depthwise.conv.weight, max_groups)
        if len(sizes) > 1:
            _split(part, order, sizes)
            _reorder_columns(_reader(part, sites[index + 1 :]), order)


def _measure(
    module: nn.Module, sites: list[tuple[str, InvertedResidual]], batches: Iterable[Tensor]
) -> dict[str, _Measured]:
    parts: list[tuple[nn.Module, int]] = []
    for _, part in sites:
        channels = part.expand.conv.out_channels
        parts += [(p, channels) for p in (part.expand.conv, part.expand.act, part.depthwise.conv)]
    ranges = iter(measure_channels(module, parts, batches))
    return {path: _Measured(next(ranges), next(ranges), next(ranges)) for path, _ in sites}


def _plan(
    measured: _Measured, depthwise: Tensor, max_groups: int
) -> tuple[Tensor, tuple[int, ...]]:
    """Channels in a new order ``[C]``, and the sizes of the groups they fall into.

    The noise of rounding to a step s is s^2 / 12. Behind the depthwise convolution it is that of
    its input, times the sum of the squared kernel.
    """
    before = measured.expanded.high - measured.expanded.low.clamp(min=SILU_FLOOR)
    width = torch.hypot(before.double(), measured.activated.width.double())
    gain = depthwise.detach().double().square().flatten(1).sum(1)
    order = torch.argsort(width)
    width, gain = width[order], gain[order]
    allowed = NOISE_RATIO * len(order) * float(measured.output.width.max()) ** 2
    for count in range(1, max_groups + 1):
        sizes, noise = best_split(width, gain, count)
        if noise <= allowed:
            break
    return order, sizes


def best_split(width: Tensor, gain: Tensor, count: int) -> tuple[tuple[int, ...], float]:
    """Sizes of at most ``count`` groups of consecutive channels with the least noise, and it.

    ``width`` ``[C]`` ascends; a group's noise is its largest width squared times its sum of
    ``gain``. Found by dynamic programming over the last group's start.
    """
    channels = len(width)
    total = torch.cat((torch.zeros(1, dtype=torch.float64), gain.cumsum(0)))
    ends = [*range(_MULTIPLE, channels, _MULTIPLE), channels]
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for _ in range(count):
        step = dict(best)
        for end in ends:
            peak = float(width[end - 1]) ** 2
            for start, (noise, sizes) in best.items():
                if start < end:
                    whole = noise + peak * float(total[end] - total[start])
                    if end not in step or whole < step[end][0]:
                        step[end] = (whole, (*sizes, end - start))
        best = step
    noise, sizes = best[channels]
    return sizes, noise


def _split(part: InvertedResidual, order: Tensor, sizes: tuple[int, ...]) -> None:
    expand, depthwise = part.expand, part.depthwise
    part.expand = GroupedExpansion(  # type: ignore[assignment]
        expand.conv, expand.act, depthwise.conv, order, sizes
    )
    part.depthwise = depthwise.act  # type: ignore[assignment]
    part.eval()


def _reader(part: InvertedResidual, following: list[tuple[str, InvertedResidual]]) -> ConvNormAct:
    """Whose convolution reads the depthwise map.

    Where ``linear_pair_merge`` has merged the projection away, that is the next expansion.
    """
    return part.project if isinstance(part.project, ConvNormAct) else following[0][1].expand


def _reorder_columns(reader: ConvNormAct, order: Tensor) -> None:
    """Let the input channels of a 1x1 convolution come in another order."""
    conv = reader.conv
    reader.conv = make_conv(conv.weight[:, order], conv.bias, dtype=conv.weight.dtype)
