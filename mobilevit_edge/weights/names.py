"""What files with weights are called, and the schemes of the names inside."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

Naming: TypeAlias = Literal["cvnets", "timm", "transformers", "openmmlab"]
NAMINGS: Final[tuple[Naming, ...]] = get_args(Naming)

INDEX_SUFFIX: Final = ".index.json"
"""Of the index of weights in several files."""
WEIGHT_SUFFIXES: Final = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
