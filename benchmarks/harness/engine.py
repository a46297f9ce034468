"""Carrying out a plan: processes one after another, their samples into a run of the report.

A group's candidates share each process and take turns. Cold starts come first, each in a process of
its own, which also finds candidates that cannot run. Whatever a process sends is kept and saved at
once, so that a run that is killed loses only seconds, and can be continued.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import cattrs

from benchmarks.analysis.quality_flags import baseline_flags, process_flags
from benchmarks.harness.machine import new_run
from benchmarks.harness.parent import Launch, WorkerJob, WorkerResult, run_job
from benchmarks.harness.plan import Candidate, Group, MeasurementPlan, plan_digest
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.report import (
    Affinity,
    Calm,
    ColdStart,
    DeviceState,
    Flag,
    LatencyRow,
    Profile,
    Protocol,
    Run,
    Series,
)

_ATTEMPTS: Final = 2
"""How many processes a group may take for each that was asked for, until enough are quiet."""
_MAX_REASON: Final = 200
_MAX_NOTE: Final = 500


@dataclass(frozen=True)
class Environment:
    """What the engine calls; tests bring their own.

    Attributes:
        save: keeps the run as it stands.
        show: shows the running step to the user.
        launch: runs one job in a process.
    """

    save: Callable[[Run], None]
    show: Callable[[str], None]
    launch: Launch = run_job


def run_plan(plan: MeasurementPlan, environment: Environment, previous: Run | None = None) -> Run:
    """Measure what a plan asks for, or what ``previous`` lacks of it.

    Raises:
        UsageError: ``previous`` was made by another plan.
    """
    if previous is not None and previous.protocol.digest != plan_digest(plan):
        raise UsageError(
            "the report to continue was begun with other models or options: repeat those, or "
            "measure again into another file"
        )
    return _Engine(plan, environment, previous or _begin(plan, environment)).work()


def _begin(plan: MeasurementPlan, environment: Environment) -> Run:
    environment.show("measuring the baseline noise")
    result = environment.launch(WorkerJob("baseline", plan.core), lambda result: None)
    event = result.events.get("baseline")
    in_effect = result.events.get("ready", {}).get("affinity")
    baseline = Calm(tuple(event["durations_ns"])) if event else None
    return new_run(
        affinity=Affinity(
            asked=None if plan.core is None else (plan.core,),
            in_effect=None if in_effect is None else tuple(in_effect),
        ),
        protocol=Protocol(
            processes=plan.processes,
            seconds=plan.seconds,
            warm_up=plan.warm_up,
            seed=plan.seed,
            max_noise=plan.max_noise,
            digest=plan_digest(plan),
        ),
        calm=baseline,
        flags=baseline_flags(baseline),
        rows=tuple(c.row for group in plan.groups for c in group.candidates),
    )


class _Engine:
    """A run in the making."""

    def __init__(self, plan: MeasurementPlan, environment: Environment, run: Run) -> None:
        self._plan = plan
        self._environment = environment
        self._run = run
        self._rows = {row.id: row for row in run.rows if isinstance(row, LatencyRow)}

    def work(self) -> Run:
        """Everything that is not done yet."""
        # Processes outermost: each group's are spread over the whole time.
        for number in range(self._plan.processes):
            for group in self._plan.groups:
                for candidate in group.candidates:
                    self._cold_start(candidate, number)
        attempts = self._plan.processes * (_ATTEMPTS if self._plan.max_noise is not None else 1)
        for number in range(attempts):
            for group in self._plan.groups:
                self._measure(group, number)
        if self._plan.profile:
            for candidate in (c for group in self._plan.groups for c in group.candidates):
                self._profile(candidate)
        self._save()
        return self._run

    def _save(self) -> None:
        rows = tuple(self._rows.get(row.id, row) for row in self._run.rows)
        self._run = replace(self._run, rows=rows)
        self._environment.save(self._run)

    def _update(self, row_id: str, **changes: Any) -> None:
        self._rows[row_id] = replace(self._rows[row_id], **changes)

    def _cold_start(self, candidate: Candidate, number: int) -> None:
        row = self._rows[candidate.row.id]
        if (
            not self._plan.cold_starts
            or _is_excluded(row)
            or any(cold.process == number for cold in row.cold_starts)
        ):
            return
        self._environment.show(f"cold start of {row.id}, {number + 1} of {self._plan.processes}")
        result = self._launch(WorkerJob("cold_start", self._plan.core, (candidate.source,)))
        event = result.events.get("cold_start")
        if result.complete and event is not None:
            cold = ColdStart(process=number, **event)
            self._update(row.id, cold_starts=(*row.cold_starts, cold))
        else:
            self._exclude(row.id, result, _next_process([row]))
        self._save()

    def _measure(self, group: Group, number: int) -> None:
        """One process of a group; when it dies, again without the faulty row."""
        while True:
            taking_part = [c for c in group.candidates if not _is_excluded(self._rows[c.row.id])]
            if not taking_part or self._has_enough([c.row.id for c in taking_part], number):
                return
            faulty = self._measure_once(group, taking_part)
            if faulty is None:
                return

    def _has_enough(self, row_ids: Sequence[str], number: int) -> bool:
        """Whether the group needs no process ``number``."""
        series = [s for s in self._rows[row_ids[0]].series if not _ended_early(s)]
        quiet = [s for s in series if "noisy" not in {flag.kind for flag in s.flags}]
        return len(quiet) >= self._plan.processes or len(series) > number

    def _measure_once(self, group: Group, taking_part: list[Candidate]) -> str | None:
        """One process; returns the row that ended it early, if one did."""
        process = _next_process([self._rows[c.row.id] for c in group.candidates])
        candidates = _order(taking_part, f"{self._plan.seed}/{group.name}", process)
        self._environment.show(f"measuring {group.name}, process {process + 1}")
        earlier = dict(self._rows)

        def keep(result: WorkerResult) -> None:
            if not result.samples:
                return
            flags = process_flags(self._plan, result, [c.row.id for c in candidates])
            for position, candidate in enumerate(candidates):
                row = earlier[candidate.row.id]
                series = _series(result, group.name, process, position, flags[position])
                self._update(row.id, series=(*row.series, series))
            self._save()

        job = WorkerJob(
            "measure",
            self._plan.core,
            tuple(c.source for c in candidates),
            seconds=self._plan.seconds * len(candidates),
            warm_up=self._plan.warm_up,
        )
        result = self._launch(job, keep)
        keep(result)
        if result.complete:
            return None
        # A process that died before it came to any candidate would die again.
        if result.faulty_index is None:
            for candidate in candidates:
                self._exclude(candidate.row.id, result, process)
            self._save()
            return candidates[0].row.id
        faulty = candidates[result.faulty_index].row.id
        self._exclude(faulty, result, process)
        self._save()
        return faulty

    def _exclude(self, row_id: str, result: WorkerResult, process: int) -> None:
        """Record why a row is no longer measured; samples that it has stay."""
        row = self._rows[row_id]
        reason = (result.failure or "its process ended early")[:_MAX_REASON]
        if not row.series:
            self._update(row_id, not_run=reason)
            return
        flag = Flag("crashed", reason)
        *others, last = row.series
        if last.process == process:
            flags = (*(f for f in last.flags if f.kind != "interrupted"), flag)
            self._update(row_id, series=(*others, replace(last, flags=flags)))
        else:
            self._update(row_id, series=(*row.series, _empty_series(result, process, flag)))

    def _profile(self, candidate: Candidate) -> None:
        row = self._rows[candidate.row.id]
        if _is_excluded(row) or row.profile is not None:
            return
        self._environment.show(f"profiling {row.id}")
        result = self._launch(WorkerJob("profile", self._plan.core, (candidate.source,)))
        event = result.events.get("profile")
        if result.complete and event is not None:
            profile = cattrs.structure(event["profile"], Profile)
        else:
            note = f"the profiler failed: {result.failure}"[:_MAX_NOTE]
            profile = Profile(candidate.row.runtime.name, 0, note, ())
        self._update(row.id, profile=profile)
        self._save()

    def _launch(
        self, job: WorkerJob, on_chunk: Callable[[WorkerResult], None] = lambda result: None
    ) -> WorkerResult:
        return self._environment.launch(job, on_chunk)


def _order(candidates: Sequence[Candidate], seed: str, process: int) -> list[Candidate]:
    """The order of loading and running: shuffled, then the same backwards, and so on.

    What is loaded first tends to be some percent slower: addresses and pages differ. Backwards,
    every pair changes places, so that this counts as spread and not as a difference.
    """
    order = random.Random(f"{seed}/{process // 2}")  # noqa: S311  no secret
    shuffled = order.sample(candidates, len(candidates))
    return shuffled[::-1] if process % 2 else shuffled


def _series(
    result: WorkerResult, group: str, process: int, position: int, flags: tuple[Flag, ...]
) -> Series:
    warm_up: Mapping[str, Any] = result.events["warm_up"]
    ready = result.events["ready"]
    # As long as the process runs there is no state after it.
    after = result.events.get("done", {}).get("state", {})
    return Series(
        process=process,
        group=group,
        position=position,
        started=result.started,
        warm_up_ns=tuple(warm_up["samples"][position]),
        samples_ns=tuple(result.samples[position]),
        threads=warm_up["threads"][position],
        affinity=None if ready["affinity"] is None else tuple(ready["affinity"]),
        involuntary_switches=result.switches,
        before=DeviceState(**ready["state"]),
        after=DeviceState(**after),
        flags=flags,
    )


def _empty_series(result: WorkerResult, process: int, flag: Flag) -> Series:
    """For a process that died before its first sample."""
    nothing = DeviceState()
    return Series(
        process=process,
        group=None,
        position=0,
        started=result.started,
        warm_up_ns=(),
        samples_ns=(),
        threads=None,
        affinity=None,
        involuntary_switches=None,
        before=nothing,
        after=nothing,
        flags=(flag,),
    )


def _next_process(rows: Sequence[LatencyRow]) -> int:
    return 1 + max((series.process for row in rows for series in row.series), default=-1)


def _is_excluded(row: LatencyRow) -> bool:
    crashed = any(flag.kind == "crashed" for series in row.series for flag in series.flags)
    return row.not_run is not None or crashed


def _ended_early(series: Series) -> bool:
    return any(flag.kind in ("interrupted", "crashed") for flag in series.flags)
