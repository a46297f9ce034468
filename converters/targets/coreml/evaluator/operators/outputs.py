"""The classifier's end."""

from __future__ import annotations

from torch import Tensor

from converters.targets.coreml.evaluator.registry import register
from mobilevit_edge.errors import ConversionError


@register("classify")
def classify(probabilities: Tensor, classes: list[str]) -> tuple[str, dict[str, float]]:
    """The likeliest label, and every label with its probability.

    Raises:
        ConversionError: not one label for each probability, or two the same.
    """
    if not probabilities.numel() == len(classes) == len(set(classes)):
        raise ConversionError(
            f"{len(set(classes))} labels for {probabilities.numel()} probabilities"
        )
    values = probabilities.reshape(-1).tolist()
    return classes[int(probabilities.argmax())], dict(zip(classes, values, strict=True))
