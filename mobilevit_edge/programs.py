"""Programs that gather, build or answer something: what they printed, or why they failed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mobilevit_edge.errors import ToolchainError

_SECONDS: Final = 600
_MAX_REASON: Final = 500


def run_program(
    command: Sequence[str | Path],
    failure: str,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    given: str = "",
) -> str:
    """Run a command of ours to its end, and return what it printed.

    Args:
        command: the program and its arguments.
        failure: what it means if it fails.
        folder: where to run it.
        environment: instead of this process's own.
        given: on its standard input.

    Raises:
        ToolchainError: it cannot be started, takes too long or fails; ``failure`` and the end of
            what it said.
    """
    try:
        finished = subprocess.run(  # noqa: S603  a command of ours
            command,
            cwd=folder,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"{failure}: {error}") from error
    if finished.returncode != 0:
        reason = (finished.stderr or finished.stdout).strip()[-_MAX_REASON:]
        raise ToolchainError(f"{failure}: {reason}")
    return finished.stdout
