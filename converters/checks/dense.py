"""Judging masks and boxes: what an artifact answers against what the reference says.

A class that two answers exchange counts only where the reference's margin is larger than what the
allowed error can move; labels, which have no margin of their own, are judged by the logits that
the reference has at their size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from converters.checks.detections import compare_detections
from converters.checks.noise import least_errors
from converters.targets.loaded import Array
from converters.targets.scale import largest_logit, largest_of
from mobilevit_edge.boxes import BOX_VALUES, DetectionRules
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.bundle import AnswerForm, Expected, VerificationCase

if TYPE_CHECKING:
    from converters.job.job import ExportJob

_POSITIONS: Final = 24
_ROWS: Final = 4
_LABEL_TOLERANCE: Final = 0.5
_SUREST: Final = 0.9


def compare_dense(
    form: AnswerForm,
    name: str,
    actual: Array,
    expected: Array,
    threshold: float,
    rules: DetectionRules | None = None,
) -> VerificationCase:
    """Errors of one image's answer.

    Args:
        form: what ``actual`` is.
        name: of the case.
        actual: the artifact's answer.
        expected: the reference's in float64; for ``labels`` its logits at their size, for ``nms``
            its boxes and probabilities before suppression.
        threshold: the allowed error, as a share of the largest output.
        rules: which boxes remain, for ``nms``.

    Raises:
        VerificationError: labels of classes that do not exist.
    """
    match form:
        case "labels":
            return _compare_labels(name, actual, expected, threshold)
        case "logits" | "full-logits":
            return _compare_logits(name, actual, expected, threshold)
        case "raw" | "decoded":
            return _compare_rows(name, actual, expected, threshold, decoded=form == "decoded")
        case "nms":
            return compare_detections(name, actual, expected, threshold, rules or DetectionRules())


def _compare_labels(
    name: str, actual: Array, expected: Array, threshold: float
) -> VerificationCase:
    """``actual [H, W]``; its error is the least that logits must have to give these labels."""
    if actual.min() < 0 or actual.max() >= len(expected):
        raise VerificationError(f"{name}: the artifact gives labels beyond its classes")
    absolute = float(least_errors(actual, expected).max())
    relative = absolute / largest_of(expected)
    same = absolute == 0
    return VerificationCase(name, relative, absolute, same, not same and relative <= threshold)


def _compare_logits(
    name: str, actual: Array, expected: Array, threshold: float
) -> VerificationCase:
    """``[C, h, w]`` both."""
    absolute = float(np.abs(actual - expected).max())
    largest = largest_of(expected)
    labels = actual.argmax(0)
    same = bool((labels == expected.argmax(0)).all())
    exchanged = (
        same or _compare_labels(name, labels, expected, threshold).relative_error <= threshold
    )
    return VerificationCase(name, absolute / largest, absolute, same, not same and exchanged)


def _compare_rows(
    name: str, actual: Array, expected: Array, threshold: float, *, decoded: bool
) -> VerificationCase:
    """``[N, 4 + C]`` both; boxes and scores are each related to their own largest number.

    Probabilities move by as much as their logits do, which are related to the largest of those.
    """
    relative = absolute = 0.0
    for part in (slice(None, BOX_VALUES), slice(BOX_VALUES, None)):
        error = float(np.abs(actual[:, part] - expected[:, part]).max())
        absolute = max(absolute, error)
        largest = largest_of(expected[:, part])
        if decoded and part.start == BOX_VALUES:
            largest = max(largest, largest_logit(expected[:, part]))
        relative = max(relative, error / largest)
    scores = expected[:, BOX_VALUES:].T
    best = actual[:, BOX_VALUES:].argmax(1)
    same = bool((best == scores.argmax(0)).all())
    exchanged = same or _compare_labels(name, best, scores, threshold).relative_error <= threshold
    return VerificationCase(name, relative, absolute, same, not same and exchanged)


def dense_expectations(job: ExportJob, outputs: Array) -> tuple[tuple[Expected, ...], float]:
    """Places of an answer that every device must repeat, and how closely; not of labels."""
    tolerance = job.precision.device_tolerance * largest_of(outputs)
    labels = job.source.labels
    if job.task == "detection":
        return _best_rows(outputs, labels), tolerance
    each = outputs[0].size
    places = np.linspace(0, outputs.size - 1, _POSITIONS).astype(np.int64)
    flat = outputs.reshape(-1)
    return tuple(Expected(int(i), labels[i // each], float(flat[i])) for i in places), tolerance


def clear_pixels(
    job: ExportJob, logits: Array, answered: Array | None
) -> tuple[tuple[Expected, ...], float]:
    """Pixels all over the image whose class every device must find.

    Args:
        job: the export.
        logits: the reference's, at the size of the labels.
        answered: the labels of a quantized artifact, which answers for itself.

    They are those of which the allowed error leaves no doubt, or the tenth of which the reference
    is surest, if that is more.

    Raises:
        VerificationError: all classes are alike everywhere.
    """
    second, best = np.partition(logits, -2, axis=0)[-2:]
    margins = (best - second).reshape(-1)
    on_npu, precision = job.options.unit == "npu", job.precision
    allowed = precision.npu_tolerance if on_npu else precision.device_tolerance
    needed = 2 * allowed * largest_of(logits)
    clear = np.flatnonzero(margins > min(needed, float(np.quantile(margins, _SUREST))))
    classes = (logits.argmax(0) if answered is None else answered).reshape(-1)
    if not len(clear):
        raise VerificationError(
            "the network finds all classes alike in the self-test's image: is it trained? "
            "--mask logits needs no classes"
        )
    places = np.unique(clear[np.linspace(0, len(clear) - 1, _POSITIONS).astype(np.int64)])
    labels = job.source.labels
    found = (Expected(int(i), labels[int(classes[i])], float(classes[i])) for i in places)
    return tuple(found), _LABEL_TOLERANCE


def _best_rows(outputs: Array, labels: Sequence[str]) -> tuple[Expected, ...]:
    """Box and best score of the anchors that are surest of an object."""
    objects = outputs[:, BOX_VALUES + 1 :]
    expected = []
    for row in np.argsort(-objects.max(1), kind="stable")[:_ROWS]:
        best = BOX_VALUES + 1 + int(objects[row].argmax())
        label = labels[best - BOX_VALUES]
        for column in (*range(BOX_VALUES), best):
            index = int(row) * outputs.shape[1] + column
            expected.append(Expected(index, label, float(outputs[row, column])))
    return tuple(expected)
