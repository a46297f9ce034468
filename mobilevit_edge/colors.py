"""The color of each class in a mask: PASCAL VOC's map, or ADE20K's own palette."""

from __future__ import annotations

from importlib import resources
from typing import TypeAlias

from mobilevit_edge.labels import known_labels

Color: TypeAlias = tuple[int, int, int]

_BITS = 8


def class_colors(labels: tuple[str, ...]) -> tuple[Color, ...]:
    """Red, green and blue for each class, by index."""
    if labels == known_labels("ade20k"):
        file = resources.files("mobilevit_edge") / "data" / "ade20k_colors.txt"
        rows = (bytes.fromhex(line[1:]) for line in file.read_text("utf-8").split())
        return tuple((row[0], row[1], row[2]) for row in rows)
    return tuple(_pascal_color(index) for index in range(len(labels)))


def _pascal_color(index: int) -> Color:
    """The bits of ``index`` in turn, lowest first, are the next lower bits of red, green, blue."""
    color = [0, 0, 0]
    for bit in range(3 * _BITS):
        if index >> bit & 1:
            color[bit % 3] |= 1 << (_BITS - 1 - bit // 3)
    return color[0], color[1], color[2]
