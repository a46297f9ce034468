"""The process that measures: ``python -m benchmarks.harness.worker``, driven by ``parent.py``.

It reads one job from stdin and answers with events, each one JSON object on a line. After each
chunk of samples it waits for a line, so that nothing else runs on the core while it measures; when
its parent dies it reads the end of the stream and ends. Before each call it writes the number of
the candidate into a shared file, the heartbeat, which outlives a crash.
"""

from __future__ import annotations

import gc
import json
import mmap
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any, Final

from benchmarks.harness import machine
from mobilevit_edge.processes import reserve_stdout

HEARTBEAT_BYTES: Final = 4
BASELINE_REPEATS: Final = 40
_BASELINE_STEPS: Final = 100_000
"""A few milliseconds of work: long enough to be interrupted by whatever else wants the core."""
PROFILED_INFERENCES: Final = 20


class Worker:
    """One job, where its events go, and the heartbeat."""

    def __init__(
        self, job: Mapping[str, Any], answers: IO[bytes] | None, heartbeat: mmap.mmap
    ) -> None:
        self.job = job
        self._answers = answers
        self._heartbeat = heartbeat

    def send(self, event: str, **content: Any) -> None:
        """Send one event."""
        assert self._answers is not None
        self._answers.write(json.dumps({"event": event, **content}).encode() + b"\n")
        self._answers.flush()

    def heartbeat(self, index: int) -> None:
        """Note that candidate ``index`` is running."""
        self._heartbeat[:HEARTBEAT_BYTES] = (index + 1).to_bytes(HEARTBEAT_BYTES, "little")

    def work(self) -> None:
        """Do the job; an exception becomes an event."""
        core = self.job["core"]
        self.send("ready", affinity=machine.affinity(), state=asdict(machine.device_state(core)))
        tasks: dict[str, Callable[[], None]] = {
            "measure": self._measure,
            "cold_start": self._cold_start,
            "profile": self._profile,
            "baseline": self._baseline,
        }
        try:
            tasks[self.job["task"]]()
        # Whatever a runtime raises is the reason why its row was not run.
        except Exception as error:
            reason = str(error) or type(error).__name__
            self.send("failed", reason=reason.splitlines()[0][:500])
            return
        self.send("done", state=asdict(machine.device_state(core)))

    def _sources(self) -> Sequence[Any]:
        from benchmarks.harness.plan import source_from_json

        return [source_from_json(content) for content in self.job["sources"]]

    def _measure(self) -> None:
        from benchmarks.harness.runners import load_runner
        from benchmarks.harness.sampling import interleave

        runners = []
        for index, source in enumerate(self._sources()):
            self.heartbeat(index)
            runners.append(load_runner(source))
        runs = [runner.run for runner in runners]
        warm_up: list[list[int]] = []
        for index, run in enumerate(runs):
            self.heartbeat(index)
            warm_up.append([_timed(run) for _ in range(self.job["warm_up"])])
        self.send("warm_up", samples=warm_up, threads=[runner.threads for runner in runners])
        # Collecting garbage would hit some samples and not others.
        gc.collect()
        gc.freeze()
        gc.disable()
        begun = machine.involuntary_switches()
        for chunk in interleave(runs, seconds=self.job["seconds"], heartbeat=self.heartbeat):
            now = machine.involuntary_switches()
            switches = None if begun is None or now is None else now - begun
            self.send("rounds", samples=chunk, switches=switches)
            if not sys.stdin.readline():
                return

    def _cold_start(self) -> None:
        from benchmarks.harness.runners import import_runtime, load_runner

        (source,) = self._sources()
        self.heartbeat(0)
        import_runtime(source)
        before = machine.memory_bytes()
        start = time.perf_counter_ns()
        runner = load_runner(source)
        loaded = time.perf_counter_ns()
        runner.run()
        end = time.perf_counter_ns()
        self.send(
            "cold_start",
            load_ns=loaded - start,
            first_inference_ns=end - loaded,
            memory_before_bytes=before,
            peak_memory_bytes=machine.peak_memory_bytes(),
        )

    def _profile(self) -> None:
        from benchmarks.harness.runners import profile_source

        (source,) = self._sources()
        self.heartbeat(0)
        self.send("profile", profile=asdict(profile_source(source, PROFILED_INFERENCES)))

    def _baseline(self) -> None:
        _fixed_work()
        durations = [_timed(_fixed_work) for _ in range(BASELINE_REPEATS)]
        self.send("baseline", durations_ns=durations)


def _timed(run: Callable[[], object]) -> int:
    start = time.perf_counter_ns()
    run()
    return time.perf_counter_ns() - start


def _fixed_work() -> None:
    total = 0
    for step in range(_BASELINE_STEPS):
        total += step


def main() -> None:
    """Read the job, pin this process, work."""
    answers = reserve_stdout()
    job = json.loads(sys.stdin.readline())
    # Before any runtime is imported, so that its threads find one core.
    machine.pin_to_core(job["core"])
    with (
        open(job["heartbeat"], "r+b") as file,
        mmap.mmap(file.fileno(), HEARTBEAT_BYTES) as heartbeat,
    ):
        Worker(job, answers, heartbeat).work()


if __name__ == "__main__":
    main()
