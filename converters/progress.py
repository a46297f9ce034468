"""How long steps say what is going on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[str], None]
"""Called with the name of each step as it begins."""


def no_progress(step: str) -> None:
    """Says nothing."""
