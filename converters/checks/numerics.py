"""Comparing an artifact, as written, with the PyTorch reference."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch

from converters.checks.cases import Case
from converters.job.job import ExportJob
from converters.job.precisions import PrecisionSpec
from converters.job.wrapping import activate
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.bundle import Verification, VerificationCase
from mobilevit_edge.input_contract import Pixels

_CASES_PER_OUTLIER: Final = 10


class Reference:
    """The reference model in float64, so that only the artifact's own rounding is measured."""

    def __init__(self, job: ExportJob) -> None:
        self._model = copy.deepcopy(job.source.model).double()
        self._input = job.network_input
        self._activation = job.activation

    def __call__(self, pixels: Pixels) -> Array:
        """``[H, W, 3]`` RGB bytes -> ``[num_outputs]``."""
        x = torch.from_numpy(self._input.batch_of([pixels])).double()
        with torch.inference_mode():
            return activate(self._model(x)[0], self._activation).numpy()


def verify(
    loaded: LoadedModel,
    job: ExportJob,
    reference: Callable[[Pixels], Array],
    cases: Sequence[Case],
) -> Verification:
    """Run every case through the artifact and the reference.

    Raises:
        VerificationError: an output that is not finite or has another shape, an error above the
            precision's threshold, or another top class where the reference is surer than that. A
            quantized artifact may be beyond in one of ten cases: there are photos of which the
            model itself is unsure, and their largest output is small.
    """
    threshold = job.precision.max_error
    # A dynamic batch is tried with two different images: one would hide a mixed-up batch.
    size = job.options.batch or 2
    results = []
    for start in range(0, len(cases), size):
        batch = [cases[(start + i) % len(cases)] for i in range(size)]
        outputs = loaded.run(job.artifact_input.batch_of([case.pixels for case in batch]))
        if outputs.shape != (size, job.source.outputs):
            raise VerificationError(
                f"the artifact's output has shape {outputs.shape}, "
                f"expected {(size, job.source.outputs)}"
            )
        for case, actual in zip(batch, outputs, strict=True):
            results.append(compare(case.name, actual, reference(case.pixels), threshold))
    # The last batch may be filled up with cases that were seen before: judged, not reported.
    _judge(results, job.precision)
    return Verification(
        by="reference" if loaded.is_reference else "runtime",
        runtime=loaded.runtime,
        max_relative_error=threshold,
        cases=tuple(results[: len(cases)]),
    )


def outliers(cases: Sequence[VerificationCase], threshold: float) -> list[VerificationCase]:
    """Those beyond the threshold or of another top class, the worst first."""
    found = [case for case in cases if case.relative_error > threshold or not case.same_top1]
    return sorted(found, key=lambda case: -case.relative_error)


def _judge(results: Sequence[VerificationCase], precision: PrecisionSpec) -> None:
    for result in results:
        if not math.isfinite(result.relative_error):
            raise VerificationError(
                f"{result.name}: the artifact gives NaN or Inf in {precision.name}; "
                f"export with --precision fp32"
            )
    threshold = precision.max_error
    beyond = outliers(results, threshold)
    if len(beyond) <= (len(results) // _CASES_PER_OUTLIER if precision.quantized else 0):
        return
    worst = beyond[0]
    others = f"; so do {len(beyond) - 1} more of {len(results)} inputs" if beyond[1:] else ""
    if worst.relative_error <= threshold:
        raise VerificationError(
            f"{worst.name}: the artifact's top class differs from the reference's"
        )
    raise VerificationError(
        f"{worst.name}: the artifact differs from the reference by {worst.relative_error:.1e} of "
        f"the largest output, allowed is {threshold:.0e} in {precision.name}{others}"
        f"{f'. {next_step(precision)}' if precision.quantized else ''}"
    )


def next_step(precision: PrecisionSpec) -> str:
    """What to try where an artifact's precision costs too much."""
    if precision.calibrated:
        return "Calibrate on more images like these, or keep layers in fp32: --int8-keep auto"
    if precision.name == "fp32":
        return "Check --channel-order and --resize against what the model was trained with"
    return "Export with a higher precision"


def compare(name: str, actual: Array, expected: Array, threshold: float) -> VerificationCase:
    """Errors of one output vector.

    ``same_top1`` asks for the same best class, unless the reference's lead over its second is
    within twice the ``threshold``: there, allowed rounding may exchange them.
    """
    absolute = float(np.abs(actual.astype(np.float64) - expected).max())
    largest = float(np.abs(expected).max())
    relative = absolute / largest if largest > 0 else absolute
    same = int(actual.argmax()) == int(expected.argmax())
    if not same and expected.size > 1:
        second, first = np.sort(expected)[-2:]
        same = bool(first - second <= 2 * threshold * largest)
    return VerificationCase(name, relative, absolute, same)
