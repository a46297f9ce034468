"""What each channel of a map spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class ChannelRanges:
    """What each channel of one map spans, zero included, over everything seen. ``[C]`` each."""

    low: Tensor
    high: Tensor

    @classmethod
    def empty(cls, channels: int) -> ChannelRanges:
        """Of nothing seen yet."""
        return cls(torch.zeros(channels), torch.zeros(channels))

    def add(self, x: Tensor) -> None:
        """Widen to hold ``[B, C, H, W]``."""
        self.low = torch.minimum(self.low, x.amin((0, 2, 3)))
        self.high = torch.maximum(self.high, x.amax((0, 2, 3)))

    @property
    def width(self) -> Tensor:
        """Largest less smallest value. ``[C]``."""
        return self.high - self.low


def measure_channels(
    module: nn.Module, parts: Sequence[tuple[nn.Module, int]], batches: Iterable[Tensor]
) -> list[ChannelRanges]:
    """The ranges of the outputs of ``parts``, each given with its channels, in their order."""
    measured = [ChannelRanges.empty(channels) for _, channels in parts]
    handles = [
        part.register_forward_hook(lambda _, inputs, output, ranges=ranges: ranges.add(output))
        for (part, _), ranges in zip(parts, measured, strict=True)
    ]
    try:
        with torch.inference_mode():
            for batch in batches:
                module(batch)
    finally:
        for handle in handles:
            handle.remove()
    return measured
