"""Which width each part gets in a mixed file: by simulated gain, then by measured harm."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from converters.progress import Progress, no_progress
from converters.targets.loaded import Array
from converters.targets.onnx.npu.chips import CHIPS
from converters.targets.onnx.npu.compiler import compile_for
from converters.targets.onnx.npu.quantized.quantize import Calibrated, possible_widths
from converters.targets.onnx.npu.quantized.widths import Width, Widths
from converters.targets.onnx.runtime import load
from mobilevit_edge.errors import ConversionError

ACCEPTABLE_ERROR: Final = 0.1
"""The outputs' error that is accepted: root mean square, relative to theirs. As for int8."""
CHIP: Final = "sa8255"
"""The chip that is asked: one of the two with simulated cycles, of a phone's generation."""
MIN_GAIN: Final = 0.01
"""Share of the cycles that 16 bits have to save."""
MAX_BATCHES: Final = 8
"""Inputs that calibrate a trial and whose outputs are compared."""


def choose_widths(
    calibrated: Calibrated,
    widths: Widths,
    parts: Sequence[str],
    progress: Progress,
    acceptable: float = ACCEPTABLE_ERROR,
    kept: Collection[str] = (),
) -> dict[str, Width]:
    """What each part computes in.

    Parts that ``widths`` leaves in float get 16 bits where the unit is faster with them. Then
    parts go back to float, those that do most harm first, until the error is acceptable.

    Args:
        calibrated: the float graph.
        widths: to begin with.
        parts: that together are the network but for those in float.
        progress: called with the part at hand.
        acceptable: the error to reach.
        kept: parts that stay in float whatever they would gain.
    """
    trials = _Trials(calibrated)
    chosen = dict(widths)
    fewest = trials.cycles(chosen)
    in_float = [name for name, width in widths.items() if not width and name not in kept]
    for index, name in enumerate(in_float, 1):
        progress(f"compiling {name} in 16 bits, {index} of {len(in_float)}")
        wider = possible_widths(calibrated.model.graph, {**chosen, name: 16})
        if not wider[name]:
            continue
        cycles = trials.cycles(wider)
        if cycles < (1 - MIN_GAIN) * fewest:
            chosen, fewest = wider, cycles
    if trials.error(chosen) <= acceptable:
        return chosen
    nothing: dict[str, Width] = dict.fromkeys(chosen, 0)
    harm = {}
    for index, name in enumerate(parts, 1):
        progress(f"measuring what {name} costs, {index} of {len(parts)}")
        harm[name] = trials.error({**nothing, name: chosen[""]})
    for name in sorted(harm, key=lambda part: -harm[part]):
        chosen[name] = 0
        progress(f"measuring without {name}")
        if trials.error(chosen) <= acceptable:
            break
    return chosen


class _Trials:
    """What widths lead to."""

    def __init__(self, calibrated: Calibrated) -> None:
        batches = calibrated.batches[:: -(-len(calibrated.batches) // MAX_BATCHES)]
        self._calibrated = Calibrated(calibrated.model, batches)
        self._expected = self._answers(calibrated.model.SerializeToString())
        self._compiled: dict[tuple[tuple[str, Width], ...], bytes] = {}
        """Models by their widths: of those that are chosen, the error is asked for too."""

    def cycles(self, widths: Widths) -> float:
        """Simulated; infinite where the unit does not take the whole graph.

        Raises:
            ConversionError: the compiler says nothing of cycles.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            model = self._compiled[tuple(widths.items())] = self._model(widths)
            path.write_bytes(model)
            compiled = compile_for(path, CHIPS[CHIP])
        if not compiled.taken:
            return np.inf
        cycles = compiled.figures.get("cycles")
        if cycles is None:
            raise ConversionError(
                f"the compiler for the NPU, version {compiled.version}, simulates no cycles, which "
                f"--precision mixed chooses by: take w8a16 or w8a8"
            )
        return float(cycles)

    def error(self, widths: Widths) -> float:
        """Root mean square of the outputs' difference, relative to the outputs in float."""
        model = self._compiled.get(tuple(widths.items())) or self._model(widths)
        difference = self._answers(model) - self._expected
        expected = max(float(np.linalg.norm(self._expected)), 1e-30)
        return float(np.linalg.norm(difference)) / expected

    def _model(self, widths: Widths) -> bytes:
        model: bytes = self._calibrated.quantized(widths, no_progress).SerializeToString()
        return model

    def _answers(self, model: bytes) -> Array:
        return answers(model, self._calibrated.batches)


def answers(model: bytes, batches: Sequence[Array]) -> Array:
    """Outputs of an ONNX graph of one input. ``[inputs, outputs]``.

    Raises:
        ConversionError: ONNX Runtime cannot load or run it.
    """
    run = load(model).run
    return np.concatenate([run(batch) for batch in batches])
