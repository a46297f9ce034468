"""Latency of models, block by block and whole, on one core and on phones.

The names below are the public interface; they are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from benchmarks.analysis.comparison import (
        compare_across_runs,
        compare_in_run,
        summarize_row,
    )
    from benchmarks.api import measure_bundles
    from benchmarks.workloads.bundles import bundle_group

__all__ = [
    "bundle_group",
    "compare_across_runs",
    "compare_in_run",
    "measure_bundles",
    "summarize_row",
]

_LAZY_MODULES: Final = {
    "bundle_group": "workloads.bundles",
    "compare_across_runs": "analysis.comparison",
    "compare_in_run": "analysis.comparison",
    "measure_bundles": "api",
    "summarize_row": "analysis.comparison",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY_MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_LAZY_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
