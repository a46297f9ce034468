"""How the outputs of two machines for the same inputs compare."""

from __future__ import annotations

import numpy as np

from converters.targets.loaded import Array
from mobilevit_edge.formats.report import Agreement


def agreement(expected: Array, found: Array) -> Agreement:
    """How two machines' outputs for the same inputs compare, both ``[inputs, outputs]``."""
    largest = np.maximum(np.abs(expected).max(axis=1), 1e-6)
    differences = np.abs(found - expected).max(axis=1) / largest
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    return Agreement(len(expected), int(same.sum()), float(differences.max()))
