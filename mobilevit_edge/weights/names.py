"""What files with weights are called."""

from __future__ import annotations

from typing import Final

INDEX_SUFFIX: Final = ".index.json"
"""Of the index of weights in several files."""
WEIGHT_SUFFIXES: Final = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
