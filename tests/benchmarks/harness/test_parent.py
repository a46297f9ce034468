"""Measuring processes for real: what comes back, and how they die."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from benchmarks.harness.engine import Surroundings, run_plan
from benchmarks.harness.machine import affinity, default_core
from benchmarks.harness.parent import Job, Outcome, run_job
from tests.benchmarks.conftest import Kept, candidate, plan, rows_of

CORE = default_core()


def job(task: str, *candidates: tuple[str, dict[str, object]], seconds: float = 0.01) -> Job:
    sources = tuple(candidate("x", factory, **named).source for factory, named in candidates)
    return Job(task, CORE, sources, seconds=seconds, warm_up=2)


def test_a_process_answers_with_samples_in_the_order_of_its_sources() -> None:
    chunks: list[int] = []
    slow, fast = ("seconds", {"duration": 0.004}), ("work", {"steps": 10})
    outcome = run_job(
        job("measure", slow, fast), lambda outcome: chunks.append(len(outcome.samples[0]))
    )
    assert outcome.complete
    assert outcome.failure is outcome.culprit is None
    a, b = outcome.samples
    assert len(a) == len(b) == chunks[-1] >= 1
    assert min(a) >= 4_000_000 > max(b)
    warm_up = outcome.events["warm_up"]["samples"]
    assert [len(samples) for samples in warm_up] == [2, 2]
    assert outcome.switches is not None


@pytest.mark.skipif(affinity() is None, reason="this system does not pin processes")
def test_a_process_has_one_core_and_libraries_one_thread() -> None:
    outcome = run_job(job("measure", ("environment", {})))
    assert outcome.failure == f"1,1 [{CORE}]"
    assert outcome.events["ready"]["affinity"] == [CORE]
    assert not outcome.crashed


def test_a_cold_start_has_its_times_and_memory() -> None:
    told = run_job(job("cold_start", ("work", {}))).events["cold_start"]
    assert told["load_ns"] > 0
    assert told["first_inference_ns"] > 0
    if sys.platform == "linux":
        assert 10**6 < told["memory_before_bytes"] <= told["peak_memory_bytes"] < 10**9


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_the_peak_of_memory_is_that_of_the_process_not_of_its_parent() -> None:
    ballast = bytearray(b"x") * (200 * 2**20)
    told = run_job(job("cold_start", ("work", {}))).events["cold_start"]
    assert told["peak_memory_bytes"] < len(ballast)


def test_spinning_gives_the_same_work_over_and_over() -> None:
    spins = run_job(Job("spin", CORE)).events["spins"]["spins_ns"]
    assert len(spins) == 40
    assert min(spins) > 100_000


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_culprit_of_a_crash_is_known(index: int) -> None:
    sources: list[tuple[str, dict[str, object]]] = [("work", {}) for _ in range(2)]
    sources.insert(index, ("dies", {"after": 20}))
    outcome = run_job(job("measure", *sources, seconds=5.0))
    assert outcome.culprit == index
    assert outcome.failure == "its process crashed with SIGSEGV (no message)"
    assert outcome.crashed
    assert not outcome.complete


def test_a_crash_while_loading_and_one_without_a_signal_are_told_apart() -> None:
    outcome = run_job(job("measure", ("work", {}), ("exits", {})))
    assert (outcome.culprit, outcome.samples) == (1, [])
    assert outcome.failure == "its process ended with exit code 3 (no message)"


def test_an_exception_is_told_in_its_own_words() -> None:
    outcome = run_job(job("measure", ("work", {}), ("raises", {"message": "bad\nmagic"})))
    assert (outcome.failure, outcome.culprit, outcome.crashed) == ("bad", 1, False)


def test_what_a_runtime_prints_is_no_answer() -> None:
    outcome = run_job(job("measure", ("prints", {})))
    assert outcome.complete
    assert outcome.samples[0]


def test_a_process_that_hangs_is_ended() -> None:
    hangs = job("measure", ("seconds", {"duration": 60}))
    outcome = run_job(hangs, silence_seconds=3)
    assert (outcome.failure, outcome.culprit) == ("gave no answer for 3 s", 0)


def test_an_interrupt_between_chunks_ends_the_process() -> None:
    workers: list[int] = []

    def interrupt(outcome: Outcome) -> None:
        found = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
        workers.extend(map(int, found.read_text().split()) if found.exists() else [])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(job("measure", ("work", {})), interrupt)
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_a_crashing_row_is_lost_and_the_others_are_measured() -> None:
    kept = Kept()
    candidates = [candidate("good"), candidate("bad", "dies", number=signal.SIGBUS)]
    run = run_plan(
        plan(*candidates, core=CORE, processes=2), Surroundings(kept.save, lambda step: None)
    )
    rows = rows_of(run)
    assert rows["bad"].not_run == "its process crashed with SIGBUS (no message)"
    assert len(rows["good"].series) == len(rows["good"].cold_starts) == 2
    assert kept.runs[-1] == run
