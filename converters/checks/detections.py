"""Judging the boxes that remain after suppression.

Two candidates that are nearly as good may change places, and a pair that overlaps nearly as much as
is allowed may stay or go, and with it all that it would have suppressed. So a list that differs
from the reference's is judged by the rule itself: what remains overlaps nothing better that
remains, and what does not remain overlaps something better that does. Of the reference's boxes
exactly one list fulfills it; others may be within what the allowed error can move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from converters.targets.loaded import Array
from converters.targets.scale import largest_logit, largest_of
from mobilevit_edge import boxes
from mobilevit_edge.boxes import (
    BACKGROUND,
    BOX_VALUES,
    DETECTION_VALUES,
    DetectionRules,
    Detections,
)
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.manifest import Expected, VerificationCase

if TYPE_CHECKING:
    from converters.job.job import ExportJob

_ROWS: Final = 4
_SCORE, _LABEL = BOX_VALUES, BOX_VALUES + 1


@dataclass(frozen=True)
class _Slack:
    """How far the allowed error moves a corner, and one score against another."""

    corner: float
    score: float

    def of_overlap(self, box: Array, others: Array) -> Array:
        """How far it moves overlaps of ``box [4]`` with ``others [N, 4]``, at the most. ``[N]``.

        Each of four corners moves one side of the shared part, which is half a box or more.
        """
        sides = np.minimum(others[:, 2:] - others[:, :2], box[2:] - box[:2]).min(axis=1)
        return np.asarray(8 * self.corner / np.maximum(sides, self.corner))


def compare_detections(
    name: str, actual: Array, expected: Array, threshold: float, rules: DetectionRules
) -> VerificationCase:
    """Errors of one image's detections.

    Args:
        name: of the case.
        actual: the artifact's rows, ``[D, 6]``.
        expected: the reference's boxes and probabilities before suppression, ``[N, 4 + C]``.
        threshold: the allowed error, as a share of the largest corner, or logit.
        rules: which boxes remain.

    Raises:
        VerificationError: labels of classes that do not exist, or boxes that are not the model's.
    """
    found = boxes.from_rows(actual)
    classes = expected.shape[1] - BOX_VALUES
    if len(found.labels) and not BACKGROUND < found.labels.min() <= found.labels.max() < classes:
        raise VerificationError(f"{name}: the artifact finds objects beyond its classes")
    corners, scores = expected[:, :BOX_VALUES], expected[:, BOX_VALUES:]
    largest = largest_of(corners), max(largest_of(scores), largest_logit(scores))
    anchors, relative, absolute = _matched(found, corners, scores, largest)
    if not np.isfinite(actual).all():
        relative = absolute = np.inf
    wanted = boxes.detect(corners, scores, rules)
    same = np.array_equal(found.labels, wanted.labels) and np.array_equal(
        anchors, _matched(wanted, corners, scores, largest)[0]
    )
    slack = _Slack(threshold * largest[0], 2 * threshold * largest[1])
    is_full = len(found.labels) == len(actual)
    tied = not same and _follows(found, corners, scores, rules, slack, is_full=is_full)
    return VerificationCase(name, relative, absolute, same, tied)


def _matched(
    found: Detections, corners: Array, scores: Array, largest: tuple[float, float]
) -> tuple[Array, float, float]:
    """The anchor that each detection is nearest to; the largest error, relative and absolute."""
    anchors = np.zeros(len(found.labels), np.int64)
    relative = absolute = 0.0
    for row, (label, score, box) in enumerate(
        zip(found.labels, found.scores, found.boxes, strict=True)
    ):
        of_box = np.abs(corners - box).max(axis=1)
        of_score = np.abs(scores[:, label] - score)
        errors = np.maximum(of_box / largest[0], of_score / largest[1])
        nearest = anchors[row] = int(errors.argmin())
        relative = max(relative, float(errors[nearest]))
        absolute = max(absolute, float(of_box[nearest]), float(of_score[nearest]))
    return anchors, relative, absolute


def _follows(
    found: Detections,
    corners: Array,
    scores: Array,
    rules: DetectionRules,
    slack: _Slack,
    *,
    is_full: bool,
) -> bool:
    """Whether a list of detections is what the rules leave, within the slack."""
    if (np.diff(found.scores) > 0).any():
        return False
    # Where there is no more room, the less probable ones are left out.
    floor = float(found.scores[-1]) if is_full else 0.0
    scores = boxes.counted(scores, rules)
    for label in range(BACKGROUND + 1, scores.shape[1]):
        own = scores[:, label]
        kept, kept_scores = (part[found.labels == label] for part in (found.boxes, found.scores))
        least = rules.score
        if len(own) > rules.candidates:
            least = max(
                least, float(-np.partition(-own, rules.candidates - 1)[rules.candidates - 1])
            )
        if (kept_scores < least - slack.score).any():
            return False
        for index, box in enumerate(kept):
            others = kept[:index]
            most = rules.overlap + slack.of_overlap(box, others)
            if (boxes.overlaps(box, others) > most).any():
                return False
        for row in np.flatnonzero(own > max(least, floor) + slack.score):
            # One that remains overlaps itself.
            better = kept[kept_scores >= own[row] - slack.score]
            least_overlap = rules.overlap - slack.of_overlap(corners[row], better)
            if not (boxes.overlaps(corners[row], better) > least_overlap).any():
                return False
    return True


def detection_expectations(job: ExportJob, rows: Array) -> tuple[tuple[Expected, ...], float]:
    """Places of ``rows [D, 6]`` that every device must repeat, and how closely.

    The surest detections, and of those only the score whose neighbors in the list are as probable;
    where nothing is found, that.
    """
    tolerance = job.precision.device_tolerance * largest_of(rows[:, :_LABEL])
    scores = rows[:, _SCORE]
    gaps = np.concatenate(([np.inf], -np.diff(scores), [np.inf]))
    expected = []
    for row in range(max(1, min(_ROWS, int((scores > 0).sum())))):
        is_clear = min(gaps[row], gaps[row + 1]) > 2 * tolerance
        columns = range(DETECTION_VALUES) if is_clear else (_SCORE,)
        label = job.source.labels[int(rows[row, _LABEL])]
        for column in columns:
            index = row * DETECTION_VALUES + column
            expected.append(Expected(index, label, float(rows[row, column])))
    return tuple(expected), tolerance
