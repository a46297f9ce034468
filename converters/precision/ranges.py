"""Which range of a tensor its 256 integer levels should span.

A histogram grows with the values it sees: when one lies outside, its span doubles and bins merge
in pairs, which loses nothing but resolution. The range is the pair of clipping points with the
least expected squared error: rounding adds step^2 / 12 to every value inside, clipping adds
``CLIPPING_COST`` times the squared distance to every value outside.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

LEVELS: Final = 255
"""Steps between the smallest and the largest of 256 integers."""
SILU_FLOOR: Final = -10.0
"""SiLU is within 5e-4 of zero below: its input may be clipped there at no cost."""
CLIPPING_COST: Final = 8.0
"""What a squared error by clipping costs against one by rounding. Rounding errors of many values
average out in the next sum; clipped ones all err the same way, and most in images unlike the
others."""
_BINS: Final = 4096
_MAX_SAMPLES: Final = 2**15
"""Values taken of one tensor, evenly spread; its extremes are always kept exactly."""
_SHARES: Final = 48
_SMALLEST_SHARE: Final = 0.02


class Histogram:
    """Counts of values in ``_BINS`` equal bins over [-span, span), span a power of two.

    Values below ``floor`` count as the floor: for tensors whose readers ignore what lies beyond.
    """

    def __init__(self, floor: float = -math.inf) -> None:
        self.floor = floor
        self.low = 0.0
        self.high = 0.0
        self.span = 0.0
        self.counts = torch.zeros(_BINS, dtype=torch.float64)

    def add(self, values: Tensor) -> None:
        """Count the values of a tensor of any shape."""
        flat = values.detach().flatten().clamp(min=self.floor)
        low, high = (float(v) for v in torch.aminmax(flat))
        self.low, self.high = min(self.low, low), max(self.high, high)
        largest = max(-low, high)
        if largest == 0:
            return
        # Strictly above, so that the largest value falls into the last bin.
        span = 2.0 ** (math.floor(math.log2(largest)) + 1)
        self.span = self.span or span
        while self.span < span:
            self._widen()
        sample = flat[:: -(-flat.numel() // _MAX_SAMPLES)].float()
        self.counts += torch.histc(sample, _BINS, -self.span, self.span).double()

    def _widen(self) -> None:
        merged = self.counts.reshape(_BINS // 2, 2).sum(1)
        self.counts = torch.zeros_like(self.counts)
        self.counts[_BINS // 4 : 3 * _BINS // 4] = merged
        self.span *= 2

    def best_range(self) -> tuple[float, float]:
        """Clipping points (low <= 0 <= high) of least expected squared error at 256 levels.

        Both are zero if nothing but zeros was seen.
        """
        if self.span == 0:
            return 0.0, 0.0
        width = 2 * self.span / _BINS
        centers = (torch.arange(_BINS, dtype=torch.float64) + 0.5) * width - self.span
        shares = torch.linspace(_SMALLEST_SHARE, 1, _SHARES, dtype=torch.float64)
        lows, highs = (shares if self.low < 0 else shares[-1:]) * self.low, shares * self.high
        if self.high <= 0:
            highs = highs[-1:]
        below = _clipped(self.counts, centers, lows)
        above = _clipped(self.counts.flip(0), -centers.flip(0), -highs)
        step = (highs[None, :] - lows[:, None]) / LEVELS
        # Values clipped on either side count as rounded too: they are few where it matters.
        clipped = below[:, None] + above[None, :]
        error = CLIPPING_COST * clipped + self.counts.sum() * step**2 / 12
        index = int(error.argmin())
        return float(lows[index // len(highs)]), float(highs[index % len(highs)])


def pixel_range(lowest: float, highest: float) -> tuple[float, float]:
    """The range of an image's values, by those seen.

    Bytes, and bytes scaled to 0..1, have 256 levels, which their whole range holds exactly. Where a
    mean was subtracted, each channel has its own levels: all that was seen, and nothing clipped.
    """
    if lowest < 0:
        return lowest, max(highest, 0.0)
    return 0.0, 1.0 if highest <= 1.0 else float(LEVELS)


def _clipped(counts: Tensor, centers: Tensor, limits: Tensor) -> Tensor:
    """Sum of the squared distances of values below each limit to it; ``centers`` ascend."""
    zero = torch.zeros(1, dtype=torch.float64)
    n, first, second = (
        torch.cat((zero, (counts * centers**power).cumsum(0))) for power in (0, 1, 2)
    )
    k = torch.searchsorted(centers, limits)
    return n[k] * limits**2 - 2 * limits * first[k] + second[k]
