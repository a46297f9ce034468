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
from converters.targets.comparison import compare_answers
from converters.targets.loaded import Array
from converters.targets.scale import largest_of
from mobilevit_edge.boxes import BOX_VALUES, DetectionRules
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.manifest import AnswerForm, Expected, VerificationCase

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
        case "nms":
            return compare_detections(name, actual, expected, threshold, rules or DetectionRules())
        case "labels":
            labels, scores = actual, expected
        case "logits" | "full-logits":
            labels, scores = actual.argmax(0), expected
        case "raw" | "decoded":
            labels, scores = actual[:, BOX_VALUES:].argmax(1), expected[:, BOX_VALUES:].T
    compared = compare_answers(form, actual, expected)
    # What scores must have moved by, at least, for other classes to be the best.
    moved = compare_answers("labels", labels, scores)
    same = moved.absolute == 0
    tied = not same and moved.difference <= threshold
    return VerificationCase(name, compared.difference, compared.absolute, same, tied)


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
