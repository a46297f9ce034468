"""One folder per target; ``base`` says what a target is and which there are."""

from __future__ import annotations

from converters.targets.base import Target, TargetInfo, get_target
from mobilevit_edge.formats.manifest import TARGET_NAMES

__all__ = ["TARGET_NAMES", "Target", "TargetInfo", "get_target"]
