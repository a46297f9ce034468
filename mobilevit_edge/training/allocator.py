"""How the C library's allocator treats the memory of a training step."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

# Of glibc's malloc.h.
_TRIM_THRESHOLD: Final = -1
_MMAP_MAX: Final = -4

_NEVER: Final = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process use freed memory again instead of handing it back to the system.

    A step frees all its activations, and the next one wants as much again. By default glibc maps
    each of them anew, and the system clears every page of it: a third of a step on the CPU.

    Returns:
        Whether the allocator is glibc's and took the settings.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _NEVER))
