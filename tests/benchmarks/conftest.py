"""What the tests of the benchmarks share: candidates, plans, a made-up launcher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.parent import Job, Outcome
from benchmarks.harness.plan import Candidate, FactorySource, Group, Plan, latency_row, subject
from mobilevit_edge.formats.report import LatencyRow, Run, Runtime

STATE = {
    "clock_mhz": 2000.0,
    "thermal": None,
    "battery_percent": None,
    "charging": None,
    "low_power": None,
}


def candidate(row_id: str, factory: str = "work", **arguments: Any) -> Candidate:
    """A row that is measured by a function of ``factories.py``."""
    row = latency_row(row_id, "test", subject(model=row_id), Runtime("Python", None))
    return Candidate(row, FactorySource(f"tests.benchmarks.factories:{factory}", arguments))


def plan(*candidates: Candidate, **changes: Any) -> Plan:
    """A quick plan of one group."""
    built = Plan(
        groups=(Group("group", candidates),),
        processes=3,
        seconds=0.01,
        seed=0,
        core=0,
        max_noise=None,
        cold_starts=True,
        profile=False,
    )
    return replace(built, **changes)


@dataclass
class Launcher:
    """Stands in for processes: samples by row, in chunks, and failures on demand.

    ``fail`` is asked before each job and may return ``(reason, index of the culprit)``.
    """

    samples: Callable[[str, int], list[int]] = lambda name, process: [100, 101, 99, 100]
    fail: Callable[[Job, int], tuple[str, int | None] | None] = lambda job, count: None
    affinity: list[int] | None = field(default_factory=lambda: [0])
    threads: int | None = 1
    clock_after: float = 2000.0
    switches: int = 0
    jobs: list[Job] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def __call__(self, job: Job, on_chunk: Callable[[Outcome], None]) -> Outcome:
        self.jobs.append(job)
        outcome = Outcome("2026-01-31T12:00:00Z", crashed=False)
        outcome.events["ready"] = {"affinity": self.affinity, "state": STATE}
        failure = self.fail(job, len(self.done(job.task)))
        if failure and job.task != "measure":
            outcome.failure, outcome.culprit = failure
            return outcome
        getattr(self, f"_{job.task}")(job, outcome, on_chunk)
        if failure:
            outcome.failure, outcome.culprit = failure
            return outcome
        outcome.events["done"] = {"state": STATE | {"clock_mhz": self.clock_after}}
        return outcome

    def done(self, task: str) -> list[Job]:
        return [job for job in self.jobs if job.task == task]

    def _spin(self, job: Job, outcome: Outcome, on_chunk: object) -> None:
        outcome.events["spins"] = {"spins_ns": [100, 101, 102]}

    def _cold_start(self, job: Job, outcome: Outcome, on_chunk: object) -> None:
        outcome.events["cold_start"] = {
            "load_ns": 5,
            "first_inference_ns": 6,
            "memory_before_bytes": 7,
            "peak_memory_bytes": 8,
        }

    def _profile(self, job: Job, outcome: Outcome, on_chunk: object) -> None:
        operator = {"kind": "Conv", "name": "c", "module": "stem", "calls": 1, "total_ns": 5}
        profile = {"source": "made up", "inferences": 1, "note": None, "operators": [operator]}
        outcome.events["profile"] = {"profile": profile}

    def _measure(self, job: Job, outcome: Outcome, on_chunk: Callable[[Outcome], None]) -> None:
        names = [str(s.arguments["name"]) for s in job.sources if isinstance(s, FactorySource)]
        process = len(self.done("measure")) - 1
        outcome.events["warm_up"] = {
            "samples": [[500]] * len(names),
            "threads": [self.threads] * len(names),
        }
        outcome.switches = self.switches
        series = [self.samples(name, process) for name in names]
        outcome.samples = [samples[:1] for samples in series]
        on_chunk(outcome)
        outcome.samples = series


@dataclass
class Kept:
    """Saved states of a run."""

    runs: list[Run] = field(default_factory=list)

    def save(self, run: Run) -> None:
        self.runs.append(run)


def rows_of(run: Run) -> dict[str, LatencyRow]:
    """Latency rows by id."""
    return {row.id: row for row in run.rows if isinstance(row, LatencyRow)}


def named(*row_ids: str) -> Sequence[Candidate]:
    """Candidates for :class:`Launcher`, which tells them apart by an argument."""
    return [candidate(row_id, name=row_id) for row_id in row_ids]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real bundle."""
    from converters.bundling.pipeline import export_bundle
    from converters.job.options import ExportOptions

    options = ExportOptions(
        target="onnx",
        weights="random",
        model="mobilevitv2_050",
        image_size=(32, 32),
        output=tmp_path_factory.mktemp("exported") / "bundle",
    )
    return export_bundle(options, lambda step: None).path
