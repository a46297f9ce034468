"""How an answer of one machine differs from another's, both with the same artifact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from converters.targets.loaded import Array
from converters.targets.scale import largest_logit, largest_of
from mobilevit_edge.boxes import BOX_VALUES
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.bundle import AnswerForm


@dataclass(frozen=True)
class Comparison:
    """One answer beside another.

    Attributes:
        difference: the largest of any output, as a share of the largest output; NaN for NaN.
        classes: how many best classes there are: of the image, or of each pixel or anchor.
        same: how many of them are the same.
    """

    difference: float
    classes: int
    same: int


def compare_answers(form: AnswerForm | None, found: Array, expected: Array) -> Comparison:
    """Compare two answers to one image.

    Labels have no numbers: they differ by as much as the logits that they are the best of must have
    moved at least, by half of what lies between the best class and the one that was found.

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
            if found.min() < 0 or found.max() >= len(expected):
                raise VerificationError("the artifact gives labels beyond its classes")
            chosen = np.take_along_axis(expected, found[None].astype(np.int64), axis=0)[0]
            errors, classes, best = (expected.max(0) - chosen) / 2, found, expected.argmax(0)
        case "raw" | "decoded":
            # Boxes and scores have units of their own.
            boxes, scores = np.s_[:, :BOX_VALUES], np.s_[:, BOX_VALUES:]
            largest = largest_of(expected[scores])
            if form == "decoded":
                # Probabilities move by as much as their logits do.
                largest = max(largest, largest_logit(expected[scores]))
            shares = (
                _share(found[boxes] - expected[boxes], largest_of(expected[boxes])),
                _share(found[scores] - expected[scores], largest),
            )
            classes, best = found[scores].argmax(1), expected[scores].argmax(1)
            return Comparison(float(np.max(shares)), best.size, int((classes == best).sum()))
        case _:
            errors, classes, best = found - expected, found.argmax(0), expected.argmax(0)
    same = int((np.asarray(classes) == best).sum())
    return Comparison(_share(errors, largest_of(expected)), best.size, same)


def _share(errors: Array, largest: float) -> float:
    """The largest error, as a share of the largest output; NaN for NaN."""
    return float(np.abs(errors).max()) / largest
