"""How the outputs of two machines for the same inputs compare."""

from __future__ import annotations

from collections.abc import Sequence

from converters.targets.comparison import Comparison
from mobilevit_edge.formats.report import Agreement


def agreement(compared: Sequence[Comparison]) -> Agreement:
    """What was found of each input, together."""
    return Agreement(
        sum(one.classes for one in compared),
        sum(one.same for one in compared),
        max(one.difference for one in compared),
    )
