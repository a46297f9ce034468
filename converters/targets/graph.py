"""A converted file's graph, as its target reads it back for the graph contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BATCH: Final = "batch"
SIDES: Final = ("height", "width")
"""Names of the dimensions that an artifact may leave open."""
UNKNOWN: Final = "?"
SUPPRESSION: Final = "suppression"
"""The module of what follows a head for boxes: it moves single rows, as many as remain."""


@dataclass(frozen=True)
class Operator:
    """One operator of a file, in the target's own words.

    ``module`` is the dotted path of the module it came from, empty where the file does not say.
    ``rank`` is the largest of its outputs, 0 where unknown. ``macs`` counts products, for operators
    outside a delegate.
    """

    kind: str
    module: str
    rank: int = 0
    delegated: bool = True
    macs: int = 0


@dataclass(frozen=True)
class Graph:
    """A file's operators, and the words its target has for what the rules speak of.

    ``symbols`` are the dynamic dimensions, :data:`UNKNOWN` among them if there is one whose size
    does not follow from those of the input. ``delegates`` is ``None`` for targets without any.
    """

    operators: tuple[Operator, ...]
    products: frozenset[str]
    gathers: frozenset[str]
    resizes: frozenset[str]
    symbols: frozenset[str] = frozenset()
    delegates: int | None = None
    allowed_outside: frozenset[str] = frozenset()
