"""The suppression of boxes that may follow a program, by the rule that Core ML documents for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mobilevit_edge import boxes
from mobilevit_edge.boxes import DetectionRules
from mobilevit_edge.errors import BundleError


@dataclass(frozen=True)
class Suppression:
    """What a ``NonMaximumSuppression`` model does.

    Attributes:
        confidence: the name of its input ``[N, C]``.
        coordinates: the name of its input ``[N, 4]``, as centers and sizes.
        outputs: the names of both after it.
        rules: which boxes remain.
    """

    confidence: str
    coordinates: str
    outputs: tuple[str, str]
    rules: DetectionRules

    def __call__(self, answer: Mapping[str, Any]) -> np.ndarray:
        """``[1, D, 6]``, as :func:`mobilevit_edge.boxes.as_rows` has them.

        Args:
            answer: of the program before it, or of the whole pipeline, whose boxes all remain.
        """
        names = (self.confidence, self.coordinates)
        scores, places = (
            np.asarray(answer[name if name in answer else other])
            for name, other in zip(names, self.outputs, strict=True)
        )
        centers, halves = places[:, :2], places[:, 2:] / 2
        corners = np.concatenate((centers - halves, centers + halves), axis=1)
        # A column for the background, which Core ML does not know: [N, C] -> [N, 1 + C]
        all_scores = np.concatenate((np.zeros_like(scores[:, :1]), scores), axis=1)
        found = boxes.detect(corners, all_scores, self.rules)
        return boxes.as_rows(found, self.rules.detections)[None]


def parse_suppression(message: Any) -> Suppression:
    """A model message of that kind.

    Raises:
        BundleError: boxes of other classes suppress each other, or there is no limit to their
            number.
    """
    stage = message.nonMaximumSuppression
    if not stage.pickTop.perClass:
        raise BundleError("its suppression of boxes does not heed classes, which is not evaluated")
    outputs = {feature.name: feature for feature in message.description.output}
    names = (stage.confidenceOutputFeatureName, stage.coordinatesOutputFeatureName)
    if set(outputs) != set(names):
        raise BundleError("the outputs of its suppression of boxes are not those that it describes")
    ranges = outputs[names[0]].type.multiArrayType.shapeRange.sizeRanges
    most = ranges[0].upperBound if ranges else 0
    if not 1 <= most <= boxes.MOST:
        raise BundleError(f"its suppression of boxes leaves {most} of them; 1 to {boxes.MOST} do")
    rules = DetectionRules(
        score=stage.confidenceThreshold,
        candidates=boxes.MOST,
        overlap=stage.iouThreshold,
        detections=most,
        one_class=True,
    )
    return Suppression(
        stage.confidenceInputFeatureName, stage.coordinatesInputFeatureName, names, rules
    )
