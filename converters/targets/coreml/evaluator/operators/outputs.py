"""The classifier's end."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from converters.targets.coreml.evaluator.registry import operator
from mobilevit_edge.errors import ConversionError


@operator("classify", bounds_itself=True)
def classify(probabilities: Tensor, classes: list[Any]) -> tuple[Any, dict[Any, float]]:
    """The likeliest label, and every label with its probability.

    Raises:
        ConversionError: not one label for each probability, or two the same.
    """
    values = probabilities.reshape(-1).tolist()
    if len(values) != len(classes) or len(set(classes)) != len(classes):
        raise ConversionError(f"{len(set(classes))} labels for {len(values)} probabilities")
    return classes[int(probabilities.argmax())], dict(zip(classes, values, strict=True))
