"""Ranges of tensors, observed in ONNX Runtime, and the scales they lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from converters.precision.ranges import LEVELS, Histogram
from converters.progress import Progress
from converters.targets.loaded import Array
from converters.targets.onnx.npu.quantized.layout import Layout
from converters.targets.onnx.runtime import open_session

TYPES: Final = {8: np.uint8, 16: np.uint16}
_SMALLEST_SCALE: Final = 1e-30


@dataclass(frozen=True)
class Scale:
    """``value = scale * (integer - zero_point)``."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, low: float, high: float, width: Literal[8, 16]) -> Scale:
        """That spans ``low`` (at most 0) to ``high`` (at least 0)."""
        scale = max((high - low) / (2**width - 1), _SMALLEST_SCALE)
        return cls(scale, round(-low / scale))


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


def observe(
    model: onnx.ModelProto, layout: Layout, batches: Sequence[Array], progress: Progress
) -> Ranges:
    """Run a float graph on ``batches``, and note what its tensors span."""
    (image,) = model.graph.input
    ranged = layout.ranged()
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    known = {image.name, *(output.name for output in model.graph.output)}
    observed.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in ranged
        if name not in known
    )
    session = open_session(observed.SerializeToString())
    histograms: dict[str, Histogram] = {}
    wanted = [name for name in ranged if name != image.name]
    for index, batch in enumerate(batches, 1):
        progress(f"calibrating on batch {index} of {len(batches)}")
        # Asked for nothing, it would give every output.
        values = session.run(wanted, {image.name: batch}) if wanted else ()
        found = dict(zip(wanted, values, strict=True))
        for name in ranged:
            histogram = histograms.setdefault(layout.owner(name), Histogram(layout.floor(name)))
            histogram.add(torch.from_numpy(batch if name == image.name else found[name]))
    return Ranges(layout, histograms)
