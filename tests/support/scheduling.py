"""Which tests run in the same process, where a run has several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from xdist.scheduler import LoadFileScheduling

TOGETHER: Final[Mapping[str, tuple[str, ...]]] = {
    "executorch": (
        "tests/benchmarks/harness/test_runners.py",
        "tests/converters/targets/executorch/",
        "tests/tools/test_stock_int8.py",
    ),
    "coremltools": (
        "tests/converters/targets/coreml/",
        "tests/converters/test_channels.py",
        "tests/converters/test_normalization.py",
        "tests/converters/test_tasks.py",
        "tests/tools/test_coreml_operators.py",
    ),
}
"""Files and folders of tests by what they import, which takes some ten seconds of each process."""


class ByImports(LoadFileScheduling):  # type: ignore[misc]  # untyped base
    """A file's tests in one process, and so those of files that import the same heavy package."""

    def _split_scope(self, nodeid: str) -> str:
        for package, places in TOGETHER.items():
            if nodeid.startswith(places):
                return package
        return nodeid.partition("::")[0]
