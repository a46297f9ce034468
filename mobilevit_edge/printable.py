"""Text of unknown origin made safe for a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# Controls but tab and newline, separators that break lines, what turns the direction of reading,
# and halves of characters.
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_MORE: Final = " ... "


def printable(text: str) -> str:
    """``text`` with every character that could act on a terminal written as an escape.

    Newlines stay; see :func:`one_line`.
    """
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """As :func:`printable`, with newlines and tabs written as escapes too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def few(names: Sequence[str], most: int) -> str:
    """The first of some names, and how many more there are: ``a, b and 7 more``."""
    shown = ", ".join(names[:most])
    more = len(names) - most
    return f"{shown} and {more} more" if more > 0 else shown


def message(text: str, longest: int) -> str:
    """A message of at most ``longest`` characters: printable, its further lines indented.

    So no line of it can be taken for another message.
    """
    shown = printable(text).replace("\n", "\n  ")
    if len(shown) <= longest:
        return shown
    half = (longest - len(_MORE)) // 2
    return f"{shown[:half]}{_MORE}{shown[-half:]}"
