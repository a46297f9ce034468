"""Things to measure in worker processes, quick and without a runtime."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def work(steps: int = 2000) -> Callable[[], object]:
    """A little arithmetic."""
    return lambda: sum(range(steps))


def seconds(duration: float) -> Callable[[], object]:
    """Sleep."""
    return lambda: time.sleep(duration)


def dies(number: int = signal.SIGSEGV, after: int = 0) -> Callable[[], object]:
    """Die of a signal, after some calls."""
    calls = 0

    def run() -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            os.kill(os.getpid(), number)

    return run


def dies_unless(path: str) -> Callable[[], object]:
    """Die of a signal from the first process on that finds no file at ``path``."""
    if not Path(path).exists():
        os.kill(os.getpid(), signal.SIGBUS)
    return work()


def raises(message: str) -> Callable[[], object]:
    """Refuse to load."""
    raise RuntimeError(message)


def exits() -> Callable[[], object]:
    """End the process without a signal."""
    os._exit(3)


def prints() -> Callable[[], object]:
    """Write on stdout, as native libraries do."""
    os.write(1, b'{"event": "done"}\n')
    return work()


def environment() -> Callable[[], object]:
    """Fail, saying what the process may use."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    values = ",".join(os.environ[name] for name in names)
    raise RuntimeError(f"{values} {sorted(os.sched_getaffinity(0))}")
