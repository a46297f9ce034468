"""Timing several things in turn: the loop that every sample comes from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

CHUNK_SECONDS: Final = 5.0
MAX_ROUNDS: Final = 20_000
"""Most rounds in a process, so that reports of things that take microseconds stay small."""


def interleave(
    runs: Sequence[Callable[[], object]],
    *,
    seconds: float,
    heartbeat: Callable[[int], object] = lambda index: None,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> Iterator[list[list[int]]]:
    """Rounds of A B C A B C ... for about ``seconds``, at least one.

    Each is called once untimed before its timed call, so that every sample starts with the caches
    as its own predecessor left them. Drift of the machine hits all alike. Whatever happens between
    two chunks takes none of the time and disturbs no sample.

    Args:
        runs: what to call.
        seconds: how long to measure, all together.
        heartbeat: called with the index of each run before the run itself.
        clock_ns: the clock.

    Yields:
        The samples in nanoseconds of each run since the last chunk.
    """
    remaining, rounds = int(seconds * 1e9), 0
    while True:
        chunk: list[list[int]] = [[] for _ in runs]
        begun = clock_ns()
        end = begun + min(remaining, int(CHUNK_SECONDS * 1e9))
        while True:
            for index, (run, samples) in enumerate(zip(runs, chunk, strict=True)):
                heartbeat(index)
                run()
                start = clock_ns()
                run()
                samples.append(clock_ns() - start)
            rounds += 1
            now = clock_ns()
            if now >= end or rounds >= MAX_ROUNDS:
                break
        remaining -= now - begun
        yield chunk
        if remaining <= 0 or rounds >= MAX_ROUNDS:
            return
