"""Latency of models, block by block and whole, on one core and on phones.

The names below are the public interface; they are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mobilevit_edge.lazy import lazy_names

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
    "bundle_group": "benchmarks.workloads.bundles",
    "compare_across_runs": "benchmarks.analysis.comparison",
    "compare_in_run": "benchmarks.analysis.comparison",
    "measure_bundles": "benchmarks.api",
    "summarize_row": "benchmarks.analysis.comparison",
}


__getattr__, __dir__ = lazy_names(__name__, _LAZY_MODULES)
