"""How far an artifact's outputs stand above the noise that its precision adds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

from converters.targets.comparison import least_errors
from converters.targets.loaded import Array
from mobilevit_edge import boxes
from mobilevit_edge.boxes import BOX_VALUES
from mobilevit_edge.head_specs import SSDLiteSpec

if TYPE_CHECKING:
    from converters.job.job import ExportJob

_LEAST_PROBABILITY: Final = 1e-30


class Noise:
    """Signal and noise of numbers, summed up as they come."""

    def __init__(self) -> None:
        self._count = self._errors = 0
        self._sum = self._squares = self._noise = 0.0
        self._origin: float | None = None

    def add(self, expected: Array, error: Array) -> None:
        """The reference's numbers, and what an artifact's differ by."""
        if self._origin is None:
            # Sums of what is left over keep their digits.
            self._origin = float(expected.mean())
        left = expected - self._origin
        self._count += left.size
        self._errors += error.size
        self._sum += float(left.sum())
        self._squares += float(np.square(left).sum())
        self._noise += float(np.square(error).sum())

    def ratio_db(self) -> float | None:
        """Signal-to-quantization-noise ratio in decibels.

        The signal is how the reference's numbers vary, so that a constant that all of them have
        counts for nothing. ``None`` if nothing varies, or nothing differs.
        """
        if not self._count:
            return None
        mean = self._sum / self._count
        signal = self._squares / self._count - mean * mean
        noise = self._noise / self._errors
        return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None


class AnswerNoise:
    """The noise of an export's answers.

    Boxes and classes have units of their own, hence a ratio each, of which the worse counts. Both
    are taken of what the network says: most of a decoded box is its anchor, and probabilities are
    small where logits are not.

    A label map differs by the least that logits must have moved to give it: by half of what lies
    between the best class and the one that was chosen. Detections, which are chosen among boxes,
    have no noise of their own.
    """

    def __init__(self, job: ExportJob) -> None:
        self._form = job.answer
        self._head = job.source.spec.head
        self._parts: dict[str, Noise] = {}
        if job.answer == "decoded":
            assert isinstance(self._head, SSDLiteSpec)
            maps = job.source.model.head_maps(job.source.image_size)
            self._anchors = boxes.anchors(self._head, maps)

    def add(self, actual: Array, expected: Array) -> None:
        """One image's answer by the artifact, and what the reference says, as it is compared."""
        for part, reference, error in self._differences(actual, expected):
            self._parts.setdefault(part, Noise()).add(reference, error)

    def ratio_db(self) -> float | None:
        """The worst part's, as :meth:`Noise.ratio_db`."""
        ratios = [noise.ratio_db() for noise in self._parts.values()]
        return min((ratio for ratio in ratios if ratio is not None), default=None)

    def _differences(self, actual: Array, expected: Array) -> Iterable[tuple[str, Array, Array]]:
        """Each part's name, the reference's numbers and the error of the artifact's."""
        match self._form:
            case "nms":
                return
            case "labels":
                yield "labels", expected, least_errors(actual, expected)
            case "raw" | "decoded":
                found, wanted = (self._as_said(rows) for rows in (actual, expected))
                for part, columns in (
                    ("boxes", np.s_[:, :BOX_VALUES]),
                    ("classes", np.s_[:, BOX_VALUES:]),
                ):
                    yield part, wanted[columns], found[columns] - wanted[columns]
            case _:
                yield "outputs", expected, actual - expected

    def _as_said(self, rows: Array) -> Array:
        """Rows of a head for boxes, in the units of its own numbers. ``[N, 4 + C]``."""
        if self._form == "raw":
            return rows
        assert isinstance(self._head, SSDLiteSpec)
        offsets = boxes.encode(rows[:, :BOX_VALUES], self._anchors, self._head)
        logarithms = np.log(np.maximum(rows[:, BOX_VALUES:], _LEAST_PROBABILITY))
        return np.concatenate((offsets, logarithms), axis=1)
