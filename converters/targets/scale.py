"""What errors of an artifact's answer are related to."""

from __future__ import annotations

from typing import Final

import numpy as np

from converters.targets.loaded import Array

_SMALLEST: Final = 1e-6


def largest_of(values: Array) -> float:
    """The largest absolute value, which errors are related to."""
    return max(float(np.abs(values).max()), _SMALLEST)


def largest_logit(probabilities: Array) -> float:
    """The least that the largest logit behind these rows of probabilities can be."""
    logarithms = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    return float(np.ptp(logarithms, axis=1).max()) / 2
