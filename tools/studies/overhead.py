"""What the measuring loop itself adds to every sample.

    python -m tools.studies.overhead

The loop times a call that does nothing; the median is the time by which all other samples are too
long.
"""

from __future__ import annotations

import mmap
import statistics
import sys
from argparse import ArgumentParser, Namespace
from typing import Final

from benchmarks.harness.sampling import interleave
from benchmarks.harness.worker import Worker
from mobilevit_edge.console import run_command
from tools.command import tool_parser

_MILLISECOND_NS: Final = 1_000_000
_SECONDS: Final = 0.5


def parser() -> ArgumentParser:
    """The options."""
    return tool_parser(__doc__)


def command(arguments: Namespace) -> None:
    """Print the overhead in nanoseconds and as a share of a millisecond."""
    overhead = overhead_ns()
    print(f"{overhead:.0f} ns per sample: {overhead / _MILLISECOND_NS:.4%} of a millisecond")


def overhead_ns() -> float:
    """Median time of an empty call, with the marks that a worker sets."""
    with mmap.mmap(-1, mmap.PAGESIZE) as mark:
        worker = Worker({}, None, mark)
        (samples,) = (
            chunk[0]
            for chunk in interleave([lambda: None], seconds=_SECONDS, heartbeat=worker.heartbeat)
        )
    return statistics.median(samples)


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
