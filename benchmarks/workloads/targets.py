"""What the subcommands can measure: targets, and PyTorch itself beside them."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from converters.targets.base import get_target
from mobilevit_edge.formats.manifest import TARGET_NAMES, TargetName

TORCH: Final = "torch"
ModelTarget: TypeAlias = Literal["torch"] | TargetName

MODULE_TARGETS: Final[tuple[TargetName, ...]] = tuple(
    name for name in TARGET_NAMES if get_target(name).info.module_suffix is not None
)
"""Targets that take any module, not only whole models."""
MODEL_TARGETS: Final[tuple[ModelTarget, ...]] = (TORCH, *TARGET_NAMES)
BLOCK_TARGETS: Final[tuple[ModelTarget, ...]] = (TORCH, *MODULE_TARGETS)
