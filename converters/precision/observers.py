"""What watches a tensor during calibration, and rounds it when int8 is simulated.

torchao puts one such module behind every tensor that is to become int8, asks it for scale and zero
point, and replaces it. Before that, switching ``simulate`` on makes it round as int8 would: so the
calibrated network answers what int8 does to its outputs, everywhere or at chosen places. A
``frozen`` observer takes note of nothing more.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torchao.quantization.pt2e.observer import UniformQuantizationObserverBase

from converters.precision.ranges import Histogram, pixel_range


class Int8Observer(UniformQuantizationObserverBase):  # type: ignore[misc] # untyped base
    """Base: passes values on, as they are or rounded. Subclasses watch and choose the scale."""

    quant_min: int
    quant_max: int

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.simulate = False
        self.frozen = False
        self._chosen: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """``x``, of any shape, watched or rounded."""
        if not self.simulate:
            if not self.frozen:
                self._chosen = None
                self.watch(x)
            return x
        if self._chosen is None:
            self._chosen = self.calculate_qparams()
        return self.round(x, *self._chosen)

    def watch(self, x: Tensor) -> None:
        """Take note of values."""
        raise NotImplementedError

    def round(self, x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
        """``x`` as int8 would hold it."""
        return torch.fake_quantize_per_tensor_affine(
            x, float(scale), int(zero_point), self.quant_min, self.quant_max
        )


class ClipSearchObserver(Int8Observer):
    """An activation with the range of :class:`converters.precision.ranges.Histogram`."""

    def __init__(self, floor: float = -math.inf, **settings: Any) -> None:
        super().__init__(**settings)
        self.histogram = Histogram(floor)

    def watch(self, x: Tensor) -> None:
        """Count the values of ``x``."""
        self.histogram.add(x)

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point, one element each."""
        low, high = (torch.tensor(bound) for bound in self.histogram.best_range())
        return self._calculate_qparams(low, high)  # type: ignore[no-any-return]


class PixelObserver(Int8Observer):
    """The network's input: see :func:`converters.precision.ranges.pixel_range`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lowest = self.highest = 0.0

    def watch(self, x: Tensor) -> None:
        """Whether these are bytes, scaled ones, or normalized."""
        self.lowest = min(self.lowest, float(x.min()))
        self.highest = max(self.highest, float(x.max()))

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scale and zero point, one element each."""
        low, high = (torch.tensor(bound) for bound in pixel_range(self.lowest, self.highest))
        return self._calculate_qparams(low, high)  # type: ignore[no-any-return]


class SigmoidObserver(Int8Observer):
    """A sigmoid's output: 0 to 255/256, whatever it is calibrated on."""

    def watch(self, x: Tensor) -> None:
        """Nothing to learn."""

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """The scale that XNNPACK's kernel asks for."""
        return torch.tensor([1 / 256]), torch.tensor([-128])


class WeightObserver(Int8Observer):
    """A weight with a symmetric scale for each output channel."""

    def __init__(self, ch_axis: int = 0, **settings: Any) -> None:
        super().__init__(**settings)
        self.ch_axis = ch_axis
        self.largest: Tensor | None = None

    def watch(self, x: Tensor) -> None:
        """The largest weight of each channel; weights do not change, so once is enough."""
        if self.largest is None:
            self.largest = x.detach().flatten(1).abs().amax(1)

    def calculate_qparams(self) -> tuple[Tensor, Tensor]:
        """Scales and zero points (zero), one per channel."""
        assert self.largest is not None
        return self._calculate_qparams(-self.largest, self.largest)  # type: ignore[no-any-return]

    def round(self, x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
        """``x`` as int8 would hold it."""
        return torch.fake_quantize_per_channel_affine(
            x, scale, zero_point.int(), self.ch_axis, self.quant_min, self.quant_max
        )
