"""What measuring itself adds to a sample: ``python -m tools.studies.overhead``.

A call that does nothing is timed by the same loop as everything else; its median is what each
sample of anything else holds too much.
"""

from __future__ import annotations

import mmap
import statistics

from benchmarks.harness.sampling import interleave
from benchmarks.harness.worker import Worker

_REFERENCE_NS = 1_000_000
_SECONDS = 0.5


def overhead_ns() -> float:
    """Median of an empty call in nanoseconds, with the marks that a worker sets."""
    with mmap.mmap(-1, mmap.PAGESIZE) as mark:
        worker = Worker({}, None, mark)
        (samples,) = (
            chunk[0]
            for chunk in interleave([lambda: None], seconds=_SECONDS, heartbeat=worker.heartbeat)
        )
    return statistics.median(samples)


def main() -> None:
    """Print it beside a sample of a millisecond."""
    overhead = overhead_ns()
    print(f"{overhead:.0f} ns a sample: {overhead / _REFERENCE_NS:.4%} of a millisecond")


if __name__ == "__main__":
    main()
