"""Chips whose NPU the compiler knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class Chip:
    """One system on a chip.

    Attributes:
        name: Qualcomm's part number, in lower case.
        soc_model: the compiler's number for it.
        product: what phones' makers call it.
        architecture: of its Hexagon.
        simulated: whether the compiler estimates execution times for it.
    """

    name: str
    soc_model: int
    product: str
    architecture: str
    simulated: bool = False


CHIPS: Final[Mapping[str, Chip]] = MappingProxyType(
    {
        chip.name: chip
        for chip in (
            Chip("sm8350", 30, "Snapdragon 888", "v68"),
            Chip("sm8450", 36, "Snapdragon 8 Gen 1", "v69"),
            Chip("sm8550", 43, "Snapdragon 8 Gen 2", "v73"),
            Chip("sm8650", 57, "Snapdragon 8 Gen 3", "v75"),
            Chip("sm8750", 69, "Snapdragon 8 Elite", "v79"),
            Chip("sm8850", 87, "Snapdragon 8 Elite Gen 5", "v81"),
            Chip("sa8255", 52, "Snapdragon Ride, SA8255", "v73", simulated=True),
            Chip("sa8797", 72, "Snapdragon Ride, SA8797", "v81", simulated=True),
        )
    }
)
"""Chips by name: ``docs/howto/npu.md`` says how far to trust the simulated ones."""
