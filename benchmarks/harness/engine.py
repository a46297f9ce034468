"""Carrying out a plan: processes one after another, their samples into a run of the report.

A group's candidates share each process and take turns. Cold starts come first, each in a process of
its own, which also finds candidates that cannot run. Whatever a process has told is kept and saved
at once, so that a run that is killed loses seconds, and can be continued.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import benchmarks.harness.machine as machine
from benchmarks.analysis.quality_flags import calm_flags, process_flags
from benchmarks.harness.parent import Job, Launch, Outcome, run_job, utc_now
from benchmarks.harness.plan import Candidate, Group, Plan, plan_digest
from mobilevit_edge import __version__
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.report import (
    Affinity,
    Calm,
    ColdStart,
    DeviceState,
    Flag,
    LatencyRow,
    OperatorTime,
    Profile,
    Protocol,
    Run,
    Series,
    Tool,
)

_ATTEMPTS: Final = 2
"""How many processes a group may take, for each that was asked for, until enough are quiet."""


@dataclass(frozen=True)
class Surroundings:
    """What the engine needs of the world; tests bring their own.

    Attributes:
        launch: runs one job in a process.
        save: keeps the run as it stands.
        show: tells people what is going on.
    """

    save: Callable[[Run], None]
    show: Callable[[str], None]
    launch: Launch = run_job


def run_plan(plan: Plan, surroundings: Surroundings, previous: Run | None = None) -> Run:
    """Measure what a plan asks for, or what ``previous`` lacks of it.

    Raises:
        UsageError: ``previous`` was made by another plan.
    """
    if previous is not None and previous.protocol.digest != plan_digest(plan):
        raise UsageError(
            "the report to go on with was begun with other models or options: repeat them, or "
            "measure anew into another file"
        )
    return _Engine(plan, surroundings, previous or _begin(plan, surroundings)).work()


def _begin(plan: Plan, surroundings: Surroundings) -> Run:
    surroundings.show("looking whether the machine is calm")
    outcome = surroundings.launch(Job("spin", plan.core), lambda outcome: None)
    spins = outcome.events.get("spins")
    in_effect = outcome.events.get("ready", {}).get("affinity")
    calm = Calm(tuple(spins["spins_ns"])) if spins else None
    return Run(
        id=uuid.uuid4().hex,
        tool=Tool("mobilevit-bench", __version__),
        created=utc_now(),
        device=machine.this_device(),
        system=machine.this_system(),
        versions=machine.library_versions(),
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
        calm=calm,
        flags=calm_flags(calm),
        rows=tuple(c.row for group in plan.groups for c in group.candidates),
    )


class _Engine:
    """A run in the making."""

    def __init__(self, plan: Plan, surroundings: Surroundings, run: Run) -> None:
        self._plan = plan
        self._world = surroundings
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
        self._world.save(self._run)

    def _update(self, row_id: str, **changes: Any) -> None:
        self._rows[row_id] = replace(self._rows[row_id], **changes)

    def _cold_start(self, candidate: Candidate, number: int) -> None:
        row = self._rows[candidate.row.id]
        if (
            not self._plan.cold_starts
            or _is_out(row)
            or any(cold.process == number for cold in row.cold_starts)
        ):
            return
        self._world.show(f"cold start of {row.id}, {number + 1} of {self._plan.processes}")
        outcome = self._launch(Job("cold_start", self._plan.core, (candidate.source,)))
        told = outcome.events.get("cold_start")
        if outcome.complete and told is not None:
            cold = ColdStart(process=number, **told)
            self._update(row.id, cold_starts=(*row.cold_starts, cold))
        else:
            self._exclude(row.id, outcome, _next_process([row]))
        self._save()

    def _measure(self, group: Group, number: int) -> None:
        """One process of a group; again without the culprit when it dies."""
        while True:
            taking_part = [c for c in group.candidates if not _is_out(self._rows[c.row.id])]
            if not taking_part or self._has_enough([c.row.id for c in taking_part], number):
                return
            culprit = self._measure_once(group, taking_part)
            if culprit is None:
                return

    def _has_enough(self, row_ids: Sequence[str], number: int) -> bool:
        """Whether the group needs no process ``number``."""
        series = [s for s in self._rows[row_ids[0]].series if not _was_cut(s)]
        quiet = [s for s in series if "noisy" not in {flag.kind for flag in s.flags}]
        return len(quiet) >= self._plan.processes or len(series) > number

    def _measure_once(self, group: Group, taking_part: list[Candidate]) -> str | None:
        """A process; the row that has ended it, if one has."""
        process = _next_process([self._rows[c.row.id] for c in group.candidates])
        candidates = _order(taking_part, f"{self._plan.seed}/{group.name}", process)
        self._world.show(f"measuring {group.name}, process {process + 1}")
        earlier = dict(self._rows)

        def keep(outcome: Outcome) -> None:
            if not outcome.samples:
                return
            flags = process_flags(self._plan, outcome, [c.row.id for c in candidates])
            for position, candidate in enumerate(candidates):
                row = earlier[candidate.row.id]
                series = _series(outcome, group.name, process, position, flags[position])
                self._update(row.id, series=(*row.series, series))
            self._save()

        job = Job(
            "measure",
            self._plan.core,
            tuple(c.source for c in candidates),
            seconds=self._plan.seconds * len(candidates),
            warm_up=self._plan.warm_up,
        )
        outcome = self._launch(job, keep)
        keep(outcome)
        if outcome.complete:
            return None
        # A process that died before it came to any candidate would die again.
        if outcome.culprit is None:
            for candidate in candidates:
                self._exclude(candidate.row.id, outcome, process)
            self._save()
            return candidates[0].row.id
        culprit = candidates[outcome.culprit].row.id
        self._exclude(culprit, outcome, process)
        self._save()
        return culprit

    def _exclude(self, row_id: str, outcome: Outcome, process: int) -> None:
        """Note why a row is not measured any more; samples that it has stay."""
        row = self._rows[row_id]
        reason = (outcome.failure or "its process ended early")[:200]
        if not row.series:
            self._update(row_id, not_run=reason)
            return
        flag = Flag("crashed", reason)
        *others, last = row.series
        if last.process == process:
            flags = (*(f for f in last.flags if f.kind != "interrupted"), flag)
            self._update(row_id, series=(*others, replace(last, flags=flags)))
        else:
            self._update(row_id, series=(*row.series, _empty_series(outcome, process, flag)))

    def _profile(self, candidate: Candidate) -> None:
        row = self._rows[candidate.row.id]
        if _is_out(row) or row.profile is not None:
            return
        self._world.show(f"profiling {row.id}")
        outcome = self._launch(Job("profile", self._plan.core, (candidate.source,)))
        told = outcome.events.get("profile")
        if outcome.complete and told is not None:
            profile = _profile_from(told["profile"])
        else:
            note = f"the profiler failed: {outcome.failure}"[:500]
            profile = Profile(candidate.row.runtime.name, 0, note, ())
        self._update(row.id, profile=profile)
        self._save()

    def _launch(
        self, job: Job, on_chunk: Callable[[Outcome], None] = lambda outcome: None
    ) -> Outcome:
        return self._world.launch(job, on_chunk)


def _order(candidates: Sequence[Candidate], seed: str, process: int) -> list[Candidate]:
    """The order of loading and running: a shuffled one, then the same backwards, and so on.

    What is loaded first tends to be slower, by percents: addresses and pages differ. Backwards,
    every pair changes its places, so that this counts as spread and not as a difference.
    """
    order = random.Random(f"{seed}/{process // 2}")  # noqa: S311  no secret
    shuffled = order.sample(candidates, len(candidates))
    return shuffled[::-1] if process % 2 else shuffled


def _series(
    outcome: Outcome, group: str, process: int, position: int, flags: tuple[Flag, ...]
) -> Series:
    warm_up: Mapping[str, Any] = outcome.events["warm_up"]
    ready = outcome.events["ready"]
    # Until the process has ended there is no state after it.
    after = outcome.events.get("done", {}).get("state", {})
    return Series(
        process=process,
        group=group,
        position=position,
        started=outcome.started,
        warm_up_ns=tuple(warm_up["samples"][position]),
        samples_ns=tuple(outcome.samples[position]),
        threads=warm_up["threads"][position],
        affinity=None if ready["affinity"] is None else tuple(ready["affinity"]),
        involuntary_switches=outcome.switches,
        before=DeviceState(**ready["state"]),
        after=DeviceState(**after),
        flags=flags,
    )


def _empty_series(outcome: Outcome, process: int, flag: Flag) -> Series:
    """For a process that died before its first sample."""
    nothing = DeviceState()
    return Series(
        process=process,
        group=None,
        position=0,
        started=outcome.started,
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


def _profile_from(told: Mapping[str, Any]) -> Profile:
    operators = tuple(OperatorTime(**operator) for operator in told["operators"])
    return Profile(told["source"], told["inferences"], told["note"], operators)


def _is_out(row: LatencyRow) -> bool:
    crashed = any(flag.kind == "crashed" for series in row.series for flag in series.flags)
    return row.not_run is not None or crashed


def _was_cut(series: Series) -> bool:
    return any(flag.kind in ("interrupted", "crashed") for flag in series.flags)
