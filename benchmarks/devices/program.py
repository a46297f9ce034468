"""Running the programs that talk to phones."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Final

from mobilevit_edge.errors import DeviceError
from mobilevit_edge.processes import run_to_end

STEP_SECONDS: Final = 300.0
"""Longer than any single step except a measurement."""


def run_tool(
    command: Sequence[str], seconds: float = STEP_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run a phone's tool to its end, whatever its exit code.

    Raises:
        DeviceError: it does not start, or does not end in time.
    """
    failure = "the device cannot be reached (is it still attached? --timeout allows more time)"
    return run_to_end(command, failure, seconds=seconds, error_type=DeviceError)
