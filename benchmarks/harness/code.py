"""Which code is measured."""

from __future__ import annotations

import hashlib
import importlib
from functools import lru_cache
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("mobilevit_edge", "converters", "benchmarks")


@lru_cache
def code_digest(*others: str) -> str:
    """SHA-256 of this project's Python: networks, rewrites, converters, workloads.

    Args:
        others: further packages whose code counts.
    """
    digest = hashlib.sha256()
    for package in (*_PACKAGES, *others):
        (root,) = importlib.import_module(package).__path__
        for path in sorted(Path(root).rglob("*.py")):
            digest.update(f"{package}/{path.relative_to(root).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
