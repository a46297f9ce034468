"""Ranges of a float graph's tensors, observed in ONNX Runtime, and the scales they lead to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import onnx
import torch
from onnx import TensorProto, helper

from converters.precision.ranges import Histogram
from converters.progress import Progress
from converters.targets.loaded import Array
from converters.targets.onnx.runtime import open_session

_SMALLEST_SCALE: Final = 1e-30


@dataclass(frozen=True)
class Scale:
    """``value = scale * (integer - zero_point)`` of a tensor of unsigned integers."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, low: float, high: float, bits: int) -> Scale:
        """That spans ``low`` (at most 0) to ``high`` (at least 0)."""
        scale = max((high - low) / (2**bits - 1), _SMALLEST_SCALE)
        return cls(scale, round(-low / scale))


def observe(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    batches: Sequence[Array],
    progress: Progress,
    *,
    floor: Callable[[str], float],
    owner: Callable[[str], str] = str,
) -> dict[str, Histogram]:
    """What tensors span, by the tensor that owns the range.

    Args:
        model: in float, of one input.
        tensors: the names.
        batches: inputs to run it on.
        progress: called with the batch at hand.
        floor: below which a tensor's values do not matter.
        owner: whose range a tensor has: its own.
    """
    (image,) = model.graph.input
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    known = {image.name, *(output.name for output in model.graph.output)}
    observed.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in tensors
        if name not in known
    )
    session = open_session(observed.SerializeToString())
    histograms = {owner(name): Histogram(floor(name)) for name in reversed(tensors)}
    wanted = [name for name in tensors if name != image.name]
    for index, batch in enumerate(batches, 1):
        progress(f"calibrating on batch {index} of {len(batches)}")
        if len(wanted) < len(tensors):
            histograms[owner(image.name)].add(torch.from_numpy(batch))
        # Asked for nothing, it would give every output.
        found = session.run(wanted, {image.name: batch}) if wanted else ()
        for name, values in zip(wanted, found, strict=True):
            histograms[owner(name)].add(torch.from_numpy(values))
    return histograms
