"""The chips that graphs are compiled for, from the table that the compiler's numbers come from."""

from __future__ import annotations

from converters.targets.onnx.npu.chips import CHIPS
from tools.docs.markdown import table


def chips() -> str:
    """A row for each chip."""
    rows = (
        (chip.name, chip.product, chip.architecture, "yes" if chip.simulated else "")
        for chip in CHIPS.values()
    )
    return table(("`--soc`", "chip", "Hexagon", "simulated"), rows)
