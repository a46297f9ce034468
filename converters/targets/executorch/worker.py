"""The child process that runs a ``.pte`` file: ``python -m`` with this module and a path."""

from __future__ import annotations

from pathlib import Path

from converters.targets.child import Opened, serve


def _open(path: Path) -> Opened:
    from converters.targets.executorch.program import Program

    return Program(path)


if __name__ == "__main__":
    serve(_open)
