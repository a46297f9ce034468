"""Running the programs that talk to phones."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Final

from mobilevit_edge.errors import DeviceError

SECONDS: Final = 300.0
"""Longer than any single step but a measurement takes."""


def talk(command: Sequence[str], timeout: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is.

    Raises:
        DeviceError: it does not start, or not end within ``timeout`` seconds.
    """
    try:
        return subprocess.run(  # noqa: S603  a phone's tool, with arguments of ours
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            f"{command[0]} gives no answer after {timeout:.0f} s: is the device still there? "
            f"--timeout allows more"
        ) from error
    except OSError as error:
        raise DeviceError(f"{command[0]} does not start: {error}") from error


def last_words(finished: subprocess.CompletedProcess[str]) -> str:
    """The end of what a command printed, for a message."""
    return (finished.stderr or finished.stdout).strip()[-300:]
