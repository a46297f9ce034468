"""LiteRT's interpreter in a child process, since a native runtime may crash."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Final

from converters.targets.child import ChildRunner
from converters.targets.loaded import LoadedModel

_WORKER: Final = "converters.targets.litert.worker"


def load(path: Path) -> LoadedModel:
    """A ``.tflite`` file that answers, in a child process with one thread.

    Raises:
        ConversionError: the runtime refuses the file, or crashes.
    """
    version = importlib.metadata.version("ai-edge-litert")
    return LoadedModel(ChildRunner(_WORKER, path).run, f"LiteRT {version}, XNNPACK")
