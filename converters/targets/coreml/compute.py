"""coremltools' names of floating-point precisions."""

from __future__ import annotations

from typing import Any

import coremltools


def float_precision(*, fp16: bool) -> Any:
    """``coremltools.precision.FLOAT16`` or ``FLOAT32``."""
    return coremltools.precision.FLOAT16 if fp16 else coremltools.precision.FLOAT32
