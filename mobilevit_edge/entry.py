"""Where the commands start: makes sure that ``converters`` and ``benchmarks`` are ours.

Both are common names for a top-level package; another package of that name in the same environment
would hide ours and fail with a message about a missing module.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from mobilevit_edge.garbage import of_one_task

_PACKAGES: Final = ("mobilevit_edge", "converters", "benchmarks")
_UNUSABLE: Final = 1


def export() -> int:
    """``mobilevit-export``."""
    return _run("converters.cli", "export_main")


def predict() -> int:
    """``mobilevit-predict``."""
    return _run("converters.cli", "predict_main")


def bench() -> int:
    """``mobilevit-bench``."""
    return _run("benchmarks.cli", "main")


def train() -> int:
    """``mobilevit-train``."""
    from mobilevit_edge.training.cli import main

    with of_one_task():
        return main()


def _run(module: str, function: str) -> int:
    problem = foreign_package()
    if problem is not None:
        print(f"mobilevit-edge: error: {problem}", file=sys.stderr)
        return _UNUSABLE
    with of_one_task():
        # By name: the core imports no converter and no benchmark.
        code: int = getattr(importlib.import_module(module), function)()
    return code


def foreign_package() -> str | None:
    """What is wrong, if our packages do not come from one place; ``None`` if they do."""
    homes = {name: _home(name) for name in _PACKAGES}
    if len(set(homes.values())) == 1:
        return None
    places = ", ".join(f"{name} from {home}" for name, home in homes.items())
    return (
        f"the packages of mobilevit-edge come from different places ({places}): another package "
        f"of the same name hides ours; install mobilevit-edge into a fresh environment"
    )


def _home(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
