"""Timing several things in turn on one core, and what the samples say."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

_BOOTSTRAP: Final = 2000
_SEED: Final = 0


def pin_to_core(core: int) -> None:
    """Keep this process on one core; call it before a runtime starts its threads."""
    os.sched_setaffinity(0, {core})


def interleave(
    runs: Mapping[str, Callable[[], object]],
    *,
    seconds: float,
    warm_up: int = 5,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> dict[str, list[int]]:
    """Nanoseconds of each run, A B C A B C ..., until ``seconds`` have passed.

    Each is called once untimed before its timed call, so that every sample starts with the caches
    as its own predecessor left them. Drift of the machine hits all alike.
    """
    for run in runs.values():
        for _ in range(warm_up):
            run()
    samples: dict[str, list[int]] = {name: [] for name in runs}
    end = clock_ns() + int(seconds * 1e9)
    while clock_ns() < end:
        for name, run in runs.items():
            run()
            start = clock_ns()
            run()
            samples[name].append(clock_ns() - start)
    return samples


@dataclass(frozen=True)
class Ratio:
    """How many times longer A takes than B: median of the pairs, and its 95 % interval."""

    median: float
    low: float
    high: float


def ratio(a: Sequence[int], b: Sequence[int]) -> Ratio:
    """A / B pair by pair, with a bootstrap interval of the median."""
    pairs = np.asarray(a, dtype=np.float64) / np.asarray(b, dtype=np.float64)
    rng = np.random.default_rng(_SEED)
    resampled = rng.choice(pairs, size=(_BOOTSTRAP, pairs.size), replace=True)
    low, high = np.quantile(np.median(resampled, axis=1), (0.025, 0.975))
    return Ratio(float(np.median(pairs)), float(low), float(high))


def milliseconds(samples: Sequence[int]) -> float:
    """Median in milliseconds."""
    return float(np.median(samples)) / 1e6
