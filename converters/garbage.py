"""The garbage collector, during work that makes millions of objects and drops few."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

RARE: Final = (100_000, 50, 1000)
"""Thresholds of the three generations."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect seldom inside.

    A graph that is traced a hundred times lives on while it is traced; looking through all of it
    every 700 new objects took a fifth of the lowering by executorch, and frees next to nothing.
    """
    before = gc.get_threshold()
    gc.set_threshold(*RARE)
    try:
        yield
    finally:
        gc.set_threshold(*before)
