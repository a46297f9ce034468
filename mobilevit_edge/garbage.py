"""When Python looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

RARE: Final = (100_000, 50, 1000)
"""Thresholds of the garbage collector's three generations."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage seldom inside.

    A graph that is traced a hundred times lives on while it is traced; looking through all of it
    every 700 new objects took a fifth of the lowering by executorch, and frees next to nothing.
    """
    before = gc.get_threshold()
    gc.set_threshold(*RARE)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def of_one_task() -> Iterator[None]:
    """All of a process that ends with this: it collects garbage seldom, and none when it ends.

    What importing torch makes stays until the end, where the interpreter would look through it
    twice: a tenth of an export, and as much again for the collections during imports.
    """
    gc.set_threshold(*RARE)
    try:
        yield
    finally:
        gc.freeze()
