"""Measuring processes for real: what comes back, and how they die."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from benchmarks.harness.engine import Environment, run_plan
from benchmarks.harness.machine import affinity, default_core
from benchmarks.harness.parent import WorkerJob, WorkerResult, run_job
from mobilevit_edge.formats.report import Run
from tests.support.benchmarks import candidate, ignore, plan, rows_of

CORE = default_core()
Call: TypeAlias = tuple[str, dict[str, Any]]


def job(task: str, *candidates: Call, seconds: float = 0.01) -> WorkerJob:
    sources = tuple(candidate("x", factory, **named).source for factory, named in candidates)
    return WorkerJob(task, CORE, sources, seconds=seconds, warm_up=2)


def test_a_process_answers_with_samples_in_the_order_of_its_sources() -> None:
    chunks: list[int] = []
    slow: Call = ("seconds", {"duration": 0.004})
    fast: Call = ("work", {"steps": 10})
    result = run_job(
        job("measure", slow, fast), lambda result: chunks.append(len(result.samples[0]))
    )
    assert result.complete
    assert result.failure is None
    assert result.faulty_index is None
    a, b = result.samples
    assert len(a) == len(b) == chunks[-1] >= 1
    assert min(a) >= 4_000_000 > max(b)
    warm_up = result.events["warm_up"]["samples"]
    assert [len(samples) for samples in warm_up] == [2, 2]
    assert result.switches is not None


@pytest.mark.skipif(affinity() is None, reason="this system does not pin processes")
def test_a_process_has_one_core_and_libraries_one_thread() -> None:
    result = run_job(job("measure", ("environment", {})))
    assert result.failure == f"1,1 [{CORE}]"
    assert result.events["ready"]["affinity"] == [CORE]


def test_a_cold_start_has_its_times_and_memory() -> None:
    event = run_job(job("cold_start", ("work", {}))).events["cold_start"]
    assert event["load_ns"] > 0
    assert event["first_inference_ns"] > 0
    if sys.platform == "linux":
        assert 10**6 < event["memory_before_bytes"] <= event["peak_memory_bytes"] < 10**9


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not report it")
def test_the_peak_of_memory_is_that_of_the_process_not_of_its_parent() -> None:
    ballast = bytearray(b"x") * (200 * 2**20)
    event = run_job(job("cold_start", ("work", {}))).events["cold_start"]
    assert event["peak_memory_bytes"] < len(ballast)


def test_the_baseline_is_the_same_work_over_and_over() -> None:
    durations = run_job(WorkerJob("baseline", CORE)).events["baseline"]["durations_ns"]
    assert len(durations) == 40
    assert min(durations) > 100_000


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_source_that_crashes_is_known(index: int) -> None:
    sources: list[tuple[str, dict[str, object]]] = [("work", {}) for _ in range(2)]
    sources.insert(index, ("dies", {"after": 20}))
    result = run_job(job("measure", *sources, seconds=5.0))
    assert result.faulty_index == index
    assert result.failure == "its process crashed with SIGSEGV (no message)"
    assert not result.complete


def test_a_crash_while_loading_and_one_without_a_signal_are_told_apart() -> None:
    result = run_job(job("measure", ("work", {}), ("exits", {})))
    assert (result.faulty_index, result.samples) == (1, [])
    assert result.failure == "its process ended with exit code 3 (no message)"


def test_an_exception_is_reported_in_its_own_words() -> None:
    result = run_job(job("measure", ("work", {}), ("raises", {"message": "bad\nmagic"})))
    assert (result.failure, result.faulty_index) == ("bad", 1)


def test_what_a_runtime_prints_is_not_an_answer() -> None:
    result = run_job(job("measure", ("prints", {})))
    assert result.complete
    assert result.samples[0]


def test_a_process_that_hangs_is_ended() -> None:
    hangs = job("measure", ("seconds", {"duration": 60}))
    result = run_job(hangs, silence_seconds=3)
    assert (result.failure, result.faulty_index) == ("gave no answer for 3 s", 0)


def test_an_interrupt_between_chunks_ends_the_process() -> None:
    workers: list[int] = []

    def interrupt(result: WorkerResult) -> None:
        found = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
        workers.extend(map(int, found.read_text().split()) if found.exists() else [])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(job("measure", ("work", {})), interrupt)
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_a_crashing_row_is_lost_and_the_others_are_measured() -> None:
    saved: list[Run] = []
    candidates = [candidate("good"), candidate("bad", "dies", number=signal.SIGBUS)]
    run = run_plan(plan(*candidates, core=CORE, processes=2), Environment(saved.append, ignore))
    rows = rows_of(run)
    assert rows["bad"].not_run == "its process crashed with SIGBUS (no message)"
    assert len(rows["good"].series) == len(rows["good"].cold_starts) == 2
    assert saved[-1] == run
