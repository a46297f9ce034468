"""Types of command-line arguments that the commands share.

Each turns the text of an argument into a value; argparse reports their errors as usage errors.
"""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable

from mobilevit_edge.errors import UsageError


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """A type of whole numbers from ``least`` to ``most``."""
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"

    def parse(text: str) -> int:
        value = int(text) if re.fullmatch("[0-9]{1,15}", text) else least - 1
        if value < least or (most is not None and value > most):
            raise ArgumentTypeError(f"{text!r} is not a whole number {limits}")
        return value

    return parse


def number(meaning: str, *, most: float = math.inf, zero: bool = False) -> Callable[[str], float]:
    """A type of numbers above 0 up to ``most``.

    Args:
        meaning: what a value is, for the message: ``"a number of seconds up to 3600"``.
        most: the largest value.
        zero: whether 0 is a value too.
    """

    def parse(text: str) -> float:
        value = float(text) if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,15})?", text) else -1.0
        if not 0 <= value <= most or (value == 0 and not zero):
            raise ArgumentTypeError(f"{text!r} is not {meaning}")
        return value

    return parse


def image_size(text: str) -> tuple[int, int]:
    """``H`` or ``HxW`` as (height, width) in pixels."""
    # Pillow and numpy take a moment to import: only when an image size is given.
    from mobilevit_edge.preprocess import parse_image_size

    try:
        return parse_image_size(text)
    except UsageError as error:
        raise ArgumentTypeError(str(error)) from error


def image_sizes(text: str) -> tuple[tuple[int, int], ...]:
    """``H[xW],...`` as (height, width) each."""
    return tuple(image_size(part) for part in text.split(","))


def names(text: str) -> tuple[str, ...]:
    """``NAME,...`` without the spaces around each name."""
    found = tuple(name.strip() for name in text.split(","))
    if "" in found:
        raise ArgumentTypeError(f"{text!r} is not a list of names separated by commas")
    return found


def three_numbers(text: str) -> tuple[int, int, int]:
    """``R,R,R`` as three whole numbers of at least 1."""
    parts = text.split(",")
    if len(parts) != 3 or not all(re.fullmatch("[1-9][0-9]{0,2}", part) for part in parts):
        raise ArgumentTypeError(f"{text!r} is not three whole numbers, such as 6,12,18")
    first, second, third = map(int, parts)
    return first, second, third
