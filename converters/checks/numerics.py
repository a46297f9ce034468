"""Comparing an artifact, as written, with the PyTorch reference."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from converters.checks.cases import Case
from converters.checks.dense import compare_dense
from converters.checks.noise import AnswerNoise
from converters.job.answers import make_answer
from converters.job.job import ExportJob
from converters.job.precisions import PRECISIONS, PrecisionSpec
from converters.job.wrapping import activate
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.manifest import Unit, Verification, VerificationCase
from mobilevit_edge.input_contract import Pixels

_CASES_PER_OUTLIER: Final = 10


@dataclass(frozen=True)
class Answer:
    """What artifact and reference say about one input: the same shape, in float64."""

    name: str
    actual: Array
    expected: Array


class Reference:
    """The reference model in float64, so that only the artifact's own rounding is measured."""

    def __init__(self, job: ExportJob) -> None:
        self._model = copy.deepcopy(job.source.model).double()
        self._input = job.network_input
        self._activation = job.activation
        form = "full-logits" if job.answer == "labels" else job.answer
        self._answer = make_answer(job.source.model, form, job.source.image_size).double()

    def __call__(self, pixels: Pixels) -> Array:
        """``[H, W, 3]`` RGB bytes -> ``[num_outputs]``, or the answer of a head.

        Where the artifact gives labels, these are the logits that they are the best of.
        """
        x = torch.from_numpy(self._input.batch_of([pixels])).double()
        with torch.inference_mode():
            answer = self._answer(activate(self._model(x), self._activation))
            return answer[0].numpy()  # type: ignore[no-any-return]


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
    # A dynamic batch is tried with two different images: one would hide a mixed-up batch.
    size = job.options.batch or 2
    answers: list[Answer] = []
    results: list[VerificationCase] = []
    precision, form = job.precision, job.answer
    noise = AnswerNoise(job)
    for start in range(0, len(cases), size):
        batch = [cases[(start + i) % len(cases)] for i in range(size)]
        outputs = loaded.run(job.artifact_input.batch_of([case.pixels for case in batch]))
        if outputs.shape != (size, *job.output.sides):
            raise VerificationError(
                f"the artifact's output has shape {outputs.shape}, "
                f"expected {(size, *job.output.sides)}"
            )
        for case, actual in zip(batch, outputs, strict=True):
            answer = Answer(case.name, actual.astype(np.float64), reference(case.pixels))
            # The last batch may be filled up with cases that were seen before.
            is_new = len(results) + len(answers) < len(cases)
            if form is None:
                answers.append(answer)
            else:
                # Masks of all cases would not fit into memory.
                error = precision.max_error
                results.append(
                    compare_dense(
                        form, answer.name, answer.actual, answer.expected, error, job.rules
                    )
                )
            if is_new:
                noise.add(answer.actual, answer.expected)
    scale = _scale(job, answers)
    results += [compare(a.name, a.actual, a.expected, precision.max_error, scale) for a in answers]
    # What fills up the last batch is judged, and not reported.
    _judge(results, precision, job.options.unit)
    ratio = noise.ratio_db()
    _judge_noise(ratio, precision)
    return Verification(
        by="reference" if loaded.is_reference else "runtime",
        runtime=loaded.runtime,
        max_relative_error=precision.max_error,
        sqnr_db=ratio,
        min_sqnr_db=precision.min_sqnr_db,
        cases=tuple(results[: len(cases)]),
    )


def _scale(job: ExportJob, answers: Sequence[Answer]) -> float:
    """The least that errors are related to.

    A classifier's largest output is far from zero. An output that stands for itself crosses it:
    there, what outputs are over all inputs counts, and in any case 1, the unit of a logit and of a
    probability.
    """
    if job.task != "multilabel":
        return 0.0
    return max(1.0, *(float(np.abs(answer.expected).max()) for answer in answers))


def outliers(cases: Sequence[VerificationCase], threshold: float) -> list[VerificationCase]:
    """Those beyond the threshold or of another top class, the worst first."""
    found = [
        case
        for case in cases
        if case.relative_error > threshold or not (case.same_top1 or case.tied)
    ]
    return sorted(found, key=lambda case: -case.relative_error)


def _judge(results: Sequence[VerificationCase], precision: PrecisionSpec, unit: Unit) -> None:
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
    remedy = f". {next_step(precision)}" if precision.quantized else ""
    half = PRECISIONS["fp16"]
    if unit == "npu" and precision.name == "fp32" and worst.relative_error <= half.max_error:
        remedy = (
            f". ONNX Runtime sums group norms of large maps in fp32; the NPU computes in fp16 "
            f"whatever the file says: --precision fp16, where {half.max_error:.0e} is allowed"
        )
    raise VerificationError(
        f"{worst.name}: the artifact differs from the reference by {worst.relative_error:.1e} of "
        f"the largest output, allowed is {threshold:.0e} in {precision.name}{others}{remedy}"
    )


def _judge_noise(ratio: float | None, precision: PrecisionSpec) -> None:
    if ratio is None or precision.min_sqnr_db is None or ratio >= precision.min_sqnr_db:
        return
    raise VerificationError(
        f"the artifact's outputs stand only {ratio:.1f} dB above the noise of {precision.name}, "
        f"and at least {precision.min_sqnr_db:g} dB are expected. {next_step(precision)}"
    )


def next_step(precision: PrecisionSpec) -> str:
    """What to try where an artifact's precision costs too much."""
    if "npu" in precision.units and precision.quantized:
        better = "" if precision.name == "mixed" else ", or let --precision mixed choose"
        return f"Calibrate on more images like these, keep parts in fp16: --int8-keep{better}"
    if precision.calibrated:
        return "Calibrate on more images like these, or keep layers in fp32: --int8-keep auto"
    if precision.name == "fp32":
        return "Check --channel-order and --resize against what the model was trained with"
    return "Export with a higher precision"


def compare(
    name: str, actual: Array, expected: Array, threshold: float, scale: float = 0.0
) -> VerificationCase:
    """Errors of one output vector, related to its largest output, or to ``scale`` if that is more.

    ``tied`` says that the best classes differ where the reference's lead over its second is within
    twice the ``threshold``: there, allowed rounding may exchange them.
    """
    absolute = float(np.abs(actual.astype(np.float64) - expected).max())
    largest = max(float(np.abs(expected).max()), scale)
    relative = absolute / largest if largest > 0 else absolute
    same = int(actual.argmax()) == int(expected.argmax())
    tied = False
    if not same:
        second, first = np.sort(expected)[-2:]
        tied = bool(first - second <= 2 * threshold * largest)
    return VerificationCase(name, relative, absolute, same, tied)
