"""The loop that samples come from, with a clock of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.harness import sampling
from benchmarks.harness.sampling import interleave


class FakeClock:
    """A clock that runs only when something is called."""

    def __init__(self) -> None:
        self.now = 0
        self.calls: list[str] = []

    def read(self) -> int:
        return self.now

    def takes(self, name: str, *durations: int) -> Callable[[], object]:
        """A function whose calls take the durations in turn."""
        count = 0

        def run() -> None:
            nonlocal count
            self.now += durations[count % len(durations)]
            count += 1
            self.calls.append(name)

        return run


def test_every_timed_call_follows_an_untimed_one_of_the_same() -> None:
    clock = FakeClock()
    runs = [clock.takes("a", 1000, 10), clock.takes("b", 5000, 20)]
    (chunk,) = interleave(runs, seconds=15e-6, clock_ns=clock.read)
    assert chunk == [[10, 10, 10], [20, 20, 20]]
    assert clock.calls == ["a", "a", "b", "b"] * 3


def test_there_is_at_least_one_round() -> None:
    clock = FakeClock()
    assert list(interleave([clock.takes("a", 10**9)], seconds=0, clock_ns=clock.read)) == [
        [[10**9]]
    ]


def test_each_call_is_announced_with_its_index() -> None:
    clock = FakeClock()
    indices: list[int] = []
    runs = [clock.takes(name, 1) for name in "abc"]
    list(interleave(runs, seconds=0, heartbeat=indices.append, clock_ns=clock.read))
    assert indices == [0, 1, 2]


def test_samples_come_in_chunks_and_pauses_between_them_cost_no_time() -> None:
    clock = FakeClock()
    chunks = []
    for chunk in interleave([clock.takes("a", 10**9)], seconds=12, clock_ns=clock.read):
        chunks.append(len(chunk[0]))
        clock.now += 10**12
    # Chunks of 5 s hold three rounds of 2 s; 12 s end after two chunks.
    assert chunks == [3, 3]


def test_the_number_of_rounds_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "MAX_ROUNDS", 7)
    clock = FakeClock()
    chunks = list(interleave([clock.takes("a", 1)], seconds=10, clock_ns=clock.read))
    assert [len(chunk[0]) for chunk in chunks] == [7]
