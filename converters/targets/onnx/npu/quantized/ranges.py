"""The scales of a layout's tensors, by what was seen of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from converters.precision.ranges import LEVELS, Histogram
from converters.targets.onnx.npu.quantized.layout import Layout
from converters.targets.onnx.scales import Scale

TYPES: Final = {8: np.uint8, 16: np.uint16}


@dataclass(frozen=True)
class Ranges:
    """What was seen of the tensors of a layout."""

    layout: Layout
    histograms: Mapping[str, Histogram]

    def scale(self, tensor: str, width: Literal[8, 16]) -> Scale:
        """Of a tensor in ``width`` bits."""
        owner = self.layout.owner(tensor)
        if self.layout.is_pixels(owner):
            return Scale.of(0, LEVELS, width)
        if self.layout.is_unit(owner):
            # The unit's own scale of shares: one is a step beyond the last integer.
            return Scale(2.0**-width, 0)
        seen = self.histograms[owner]
        low, high = seen.best_range() if width == 8 else (max(seen.low, seen.floor), seen.high)
        limit = self.layout.limit(owner)
        return Scale.of(max(low, -limit), min(high, limit), width)
