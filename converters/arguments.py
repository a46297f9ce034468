"""Types of the commands' arguments: text to value, or what is wrong with it."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError

from mobilevit_edge.errors import UsageError
from mobilevit_edge.preprocess import parse_image_size


def whole_number(text: str) -> int:
    """A count from 1 to 9999."""
    if not re.fullmatch("0*[1-9][0-9]{0,3}", text):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1 to 9999")
    return int(text)


def batch_size(text: str) -> int | None:
    """Images per call; ``None`` for ``dynamic``."""
    return None if text == "dynamic" else whole_number(text)


def percentage_points(text: str) -> float:
    """0 to 100."""
    value = float(text) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", text) else -1.0
    if not 0 <= value <= 100:
        raise ArgumentTypeError(f"{text!r} is not a number of percentage points, 0 to 100")
    return value


def image_size(text: str) -> tuple[int, int]:
    """(height, width)."""
    try:
        return parse_image_size(text)
    except UsageError as error:
        raise ArgumentTypeError(str(error)) from error


def sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Image sizes with commas between them."""
    return tuple(image_size(part) for part in text.split(","))


def names(text: str) -> tuple[str, ...]:
    """``auto``, or names with commas between them."""
    found = tuple(name.strip() for name in text.split(","))
    if "" in found:
        raise ArgumentTypeError(f"{text!r} is neither auto nor names with commas between them")
    return found
