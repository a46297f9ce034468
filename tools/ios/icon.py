"""Draw the iOS app's icon: the patches of Android's, on a square without transparency.

python -m tools.ios.icon FILE
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

from mobilevit_edge.console import run_command
from tools.command import tool_parser

SIDE: Final = 1024
"""Pixels: the one size that Xcode makes all others of."""
_UNITS: Final = 66
"""What of Android's 108 units a launcher shows."""
_BACKGROUND: Final = "#1B5E9B"
_PATCHES: Final = {
    (12, 12): "#FFFFFF",
    (35, 12): "#7FB2E0",
    (12, 35): "#7FB2E0",
    (35, 35): "#FFC857",
}
_PATCH: Final = 19
_LINE: Final = ((21.5, 21.5), (44.5, 44.5))
_LINE_COLOR: Final = "#0E3A63"
_LINE_WIDTH: Final = 4


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("file", type=Path, metavar="FILE")
    return parser


def command(arguments: Namespace) -> None:
    """Write the icon."""
    icon().save(arguments.file, optimize=True)


def icon() -> Image.Image:
    """The icon, drawn larger and scaled down for smooth edges."""
    scale = 4 * SIDE / _UNITS
    large = Image.new("RGB", (4 * SIDE, 4 * SIDE), _BACKGROUND)
    draw = ImageDraw.Draw(large)
    for (left, top), color in _PATCHES.items():
        corners = [value * scale for value in (left, top, left + _PATCH, top + _PATCH)]
        draw.rectangle(corners, fill=color)
    ends = [(x * scale, y * scale) for x, y in _LINE]
    draw.line(ends, fill=_LINE_COLOR, width=round(_LINE_WIDTH * scale))
    radius = _LINE_WIDTH * scale / 2
    for x, y in ends:
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=_LINE_COLOR)
    return large.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
