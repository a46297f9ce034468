"""What an export is asked to make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mobilevit_edge.bundle import Target
from mobilevit_edge.preprocess import ChannelOrder, Interpolation, ResizeRule

Precision: TypeAlias = Literal["fp32", "fp16"]


@dataclass(frozen=True)
class ExportOptions:
    """One export. ``None`` means: as the checkpoint has it, or the default of the target.

    ``batch`` is the fixed batch size, or ``None`` for a dynamic one. ``raw_input`` puts the
    preprocessing of pixels into the graph, which then takes uint8 NHWC RGB images; resize and crop
    stay outside. ``without`` names rewrites to leave out. ``channel_order``, ``resize`` and
    ``interpolation`` override what the checkpoint's source is known to use.
    """

    target: Target
    weights: str
    output: Path | None
    model: str = "auto"
    precision: Precision = "fp32"
    labels: str | None = None
    image_size: tuple[int, int] | None = None
    batch: int | None = 1
    softmax: bool = False
    raw_input: bool = False
    channel_order: ChannelOrder | None = None
    resize: ResizeRule | None = None
    interpolation: Interpolation | None = None
    verify: Path | None = None
    without: frozenset[str] = frozenset()
