"""How an answer of one machine differs from another's, both with the same artifact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from converters.targets.loaded import Array
from converters.targets.scale import largest_logit, largest_of
from mobilevit_edge.boxes import BOX_VALUES
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.manifest import AnswerForm


@dataclass(frozen=True)
class Comparison:
    """One answer beside another.

    Attributes:
        difference: the largest of any output, as a share of the largest output; NaN for NaN.
        absolute: the largest of any output, as a number; NaN for NaN.
        classes: how many best classes there are: of the image, or of each pixel or anchor.
        same: how many of them are the same.
    """

    difference: float
    absolute: float
    classes: int
    same: int


def compare_answers(form: AnswerForm | None, found: Array, expected: Array) -> Comparison:
    """Compare two answers to one image.

    Labels have no numbers: they differ by :func:`least_errors`. Boxes and scores have units of
    their own; probabilities move by as much as their logits do, hence the largest of those counts.

    Args:
        form: what ``found`` is; ``None`` where it classifies.
        found: ``[classes]``, or ``[C, h, w]``, labels ``[H, W]``, rows ``[N, 4 + C]``.
        expected: the same; for labels the logits at their size, ``[C, H, W]``.

    Raises:
        VerificationError: labels of classes that do not exist.
    """
    expected = expected.astype(np.float64)
    match form:
        case "labels":
            differing = [(least_errors(found, expected), largest_of(expected))]
            classes, best = found, expected.argmax(0)
        case "raw" | "decoded":
            boxes, scores = np.s_[:, :BOX_VALUES], np.s_[:, BOX_VALUES:]
            largest = largest_of(expected[scores])
            if form == "decoded":
                largest = max(largest, largest_logit(expected[scores]))
            differing = [
                (found[boxes] - expected[boxes], largest_of(expected[boxes])),
                (found[scores] - expected[scores], largest),
            ]
            classes, best = found[scores].argmax(1), expected[scores].argmax(1)
        case _:
            differing = [(found - expected, largest_of(expected))]
            classes, best = found.argmax(0), expected.argmax(0)
    # Unlike Python's, NumPy's largest of NaN and a number is NaN.
    errors = np.array([np.abs(errors).max() for errors, _ in differing])
    shares = errors / [largest for _, largest in differing]
    same = int((np.asarray(classes) == best).sum())
    return Comparison(float(shares.max()), float(errors.max()), best.size, same)


def least_errors(labels: Array, logits: Array) -> Array:
    """The least that each pixel's logits must have moved for these labels. ``[H, W], [C, H, W]``.

    Both may have moved, the best class's and the chosen one's: by half of what lies between them.

    Raises:
        VerificationError: labels of classes that do not exist.
    """
    if labels.min() < 0 or labels.max() >= len(logits):
        raise VerificationError("the artifact gives labels beyond its classes")
    chosen = np.take_along_axis(logits, labels[None].astype(np.int64), axis=0)[0]
    return np.asarray((logits.max(0) - chosen) / 2)
