"""Carrying out plans with made-up processes: order, failures, repeats, resuming."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.analysis.quality_flags import usable_series
from benchmarks.harness.engine import Environment, run_plan
from benchmarks.harness.parent import WorkerJob, WorkerResult
from benchmarks.harness.plan import Candidate, FileSource, Group, MeasurementPlan, plan_digest
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.report import SCHEMA_VERSION, DeviceState, Report, Run, report_to_json
from tests.support.benchmarks import Launcher, carry_out, ignore, named, names_in, plan, rows_of


def test_every_candidate_is_measured_in_every_process() -> None:
    launcher = Launcher()
    run = carry_out(plan(*named("a", "b")), launcher)
    for row in rows_of(run).values():
        assert [s.process for s in row.series] == [0, 1, 2]
        assert [c.process for c in row.cold_starts] == [0, 1, 2]
        assert row.not_run is None
        first = row.series[0]
        assert (first.samples_ns, first.warm_up_ns) == ((100, 101, 99, 100), (500,))
        assert (first.group, first.threads, first.affinity, first.flags) == ("group", 1, (0,), ())
        assert first.before == first.after == DeviceState(clock_mhz=2000.0)
    assert run.calm is not None
    assert run.calm.spins_ns == (100, 101, 102)
    assert [job.task for job in launcher.jobs] == ["baseline"] + ["cold_start"] * 6 + [
        "measure"
    ] * 3
    (measure, *_) = launcher.done("measure")
    assert measure.seconds == pytest.approx(0.02)


def test_samples_land_in_the_row_that_they_come_from_whatever_the_order() -> None:
    levels = {"a": 100, "b": 200, "c": 300, "d": 400}
    launcher = Launcher(samples=lambda name, process: [levels[name] + process] * 3)
    run = carry_out(plan(*named(*levels), processes=5), launcher)
    rows = rows_of(run)
    for name, level in levels.items():
        assert [s.samples_ns[0] for s in rows[name].series] == [level + i for i in range(5)]
    orders = [tuple(rows[name].series[i].position for name in levels) for i in range(5)]
    assert len(set(orders)) > 1
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    again = carry_out(plan(*named(*levels), processes=5), launcher)
    assert orders[0] == tuple(rows_of(again)[name].series[0].position for name in levels)
    other = carry_out(plan(*named(*levels), processes=5, seed=1), launcher)
    assert orders != [
        tuple(rows_of(other)[name].series[i].position for name in levels) for i in range(5)
    ]


def test_every_pair_changes_places_from_one_process_to_the_next() -> None:
    run = carry_out(plan(*named("a", "b", "c"), processes=6))
    series = [row.series for row in rows_of(run).values()]
    for one, other in ((0, 1), (2, 3), (4, 5)):
        assert [s[one].position + s[other].position for s in series] == [2, 2, 2]


def test_groups_take_turns_process_by_process() -> None:
    launcher = Launcher()
    groups = (Group("one", tuple(named("a"))), Group("two", tuple(named("b"))))
    carry_out(plan(groups=groups, cold_starts=False), launcher)
    names = [name for job in launcher.done("measure") for name in names_in(job)]
    assert names == ["a", "b"] * 3


def test_a_candidate_whose_cold_start_fails_loses_only_its_own_row() -> None:
    def fail(job: WorkerJob, count: int) -> tuple[str, int] | None:
        broken = job.task == "cold_start" and names_in(job) == ["b"]
        return ("its process crashed with SIGSEGV", 0) if broken else None

    launcher = Launcher(fail=fail)
    run = carry_out(plan(*named("a", "b", "c")), launcher)
    rows = rows_of(run)
    assert rows["b"].not_run == "its process crashed with SIGSEGV"
    assert rows["b"].series == ()
    assert [len(rows[name].series) for name in "ac"] == [3, 3]
    assert len(launcher.done("cold_start")) == 7


def test_a_crash_while_measuring_keeps_the_samples_and_continues_without_the_faulty_row() -> None:
    def fail(job: WorkerJob, count: int) -> tuple[str, int] | None:
        names = names_in(job)
        return ("SIGBUS", names.index("b")) if job.task == "measure" and count == 2 else None

    run = carry_out(plan(*named("a", "b"), cold_starts=False), Launcher(fail=fail))
    rows = rows_of(run)
    assert rows["b"].not_run is None
    assert [[f.kind for f in s.flags] for s in rows["b"].series] == [[], ["crashed"]]
    assert [[f.kind for f in s.flags] for s in rows["a"].series] == [[], ["interrupted"], [], []]
    assert [s.process for s in usable_series(rows["a"])] == [0, 2, 3]
    assert [s.process for s in usable_series(rows["b"])] == [0]


def test_a_crash_before_the_first_sample_marks_no_earlier_series() -> None:
    class Silent(Launcher):
        def _measure(self, job: WorkerJob, result: WorkerResult, on_chunk: object) -> None:
            if len(self.done("measure")) != 2:
                super()._measure(job, result, on_chunk)  # type: ignore[arg-type]

    launcher = Silent(fail=lambda job, n: ("gone", 0) if job.task == "measure" and n == 2 else None)
    run = carry_out(plan(*named("a"), cold_starts=False), launcher)
    row = rows_of(run)["a"]
    assert [(len(s.samples_ns), [f.kind for f in s.flags]) for s in row.series] == [
        (4, []),
        (0, ["crashed"]),
    ]


def test_a_process_that_dies_before_any_candidate_ends_the_group_only() -> None:
    def fail(job: WorkerJob, count: int) -> tuple[str, None] | None:
        return ("no such module", None) if "a" in names_in(job) else None

    class Silent(Launcher):
        def _measure(self, job: WorkerJob, result: WorkerResult, on_chunk: object) -> None:
            if names_in(job) == ["c"]:
                super()._measure(job, result, on_chunk)  # type: ignore[arg-type]

    groups = (Group("one", tuple(named("a", "b"))), Group("two", tuple(named("c"))))
    run = carry_out(plan(groups=groups, cold_starts=False), Silent(fail=fail))
    rows = rows_of(run)
    assert [rows[name].not_run for name in "abc"] == ["no such module", "no such module", None]
    assert len(rows["c"].series) == 3


def test_samples_are_saved_while_a_process_still_measures() -> None:
    saved: list[Run] = []
    run_plan(
        plan(*named("a"), cold_starts=False, processes=1),
        Environment(saved.append, ignore, Launcher()),
    )
    (partial,) = rows_of(saved[0])["a"].series
    assert partial.samples_ns == (100,)
    assert [flag.kind for flag in partial.flags] == ["interrupted"]
    (whole,) = rows_of(saved[-1])["a"].series
    assert (len(whole.samples_ns), whole.flags) == (4, ())


def test_every_state_that_is_saved_is_a_valid_report() -> None:
    def fail(job: WorkerJob, count: int) -> tuple[str, int] | None:
        names = names_in(job)
        return ("SIGBUS", names.index("b")) if job.task == "measure" and count == 2 else None

    saved: list[Run] = []
    plan_ = plan(*named("a", "b"), profile=True, max_noise=5.0)
    run_plan(plan_, Environment(saved.append, ignore, Launcher(fail=fail)))
    assert len(saved) > 10
    for state in saved:
        report_to_json(Report(SCHEMA_VERSION, (state,)))


@pytest.mark.parametrize("stop", range(1, 14))
def test_a_run_that_is_stopped_anywhere_resumes_to_the_same_end(stop: int) -> None:
    plan_ = plan(*named("a", "b"), profile=True)
    saved: list[Run] = []

    def save(run: Run) -> None:
        saved.append(run)
        if len(saved) == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(plan_, Environment(save, ignore, Launcher()))
    run = carry_out(plan_, Launcher(), saved[-1])
    assert run.id == saved[0].id
    for row in rows_of(run).values():
        assert [c.process for c in row.cold_starts] == [0, 1, 2]
        assert [len(s.samples_ns) for s in usable_series(row)] == [4, 4, 4]
        assert row.profile is not None
        assert len(row.series) <= 4


def test_a_finished_run_has_nothing_left_to_resume() -> None:
    plan_ = plan(*named("a"), profile=True, max_noise=5.0)
    run = carry_out(plan_)
    launcher = Launcher()
    assert carry_out(plan_, launcher, run) == run
    assert launcher.jobs == []


@pytest.mark.parametrize(
    "other",
    [
        plan(*named("a", "c")),
        plan(*named("a"), processes=4),
        plan(*named("a"), seconds=1.0),
        plan(*named("a"), core=None),
        plan(*named("a"), max_noise=1.0),
    ],
)
def test_resuming_with_another_plan_is_refused(other: MeasurementPlan) -> None:
    run = carry_out(plan(*named("a")))
    with pytest.raises(UsageError, match="other models or options"):
        carry_out(other, Launcher(), run)


def test_noisy_processes_are_repeated_until_enough_are_quiet() -> None:
    def samples(name: str, process: int) -> list[int]:
        return [100, 150, 60, 100] if name == "b" and process in (0, 2) else [100] * 4

    run = carry_out(plan(*named("a", "b"), max_noise=5.0), Launcher(samples=samples))
    for row in rows_of(run).values():
        noisy = [any(f.kind == "noisy" for f in s.flags) for s in row.series]
        assert noisy == [True, False, True, False, False]
        assert [s.process for s in usable_series(row)] == [1, 3, 4]
    (flag,) = rows_of(run)["a"].series[0].flags
    assert flag.reason.startswith("b spreads ")


def test_noise_without_end_is_marked_and_the_run_ends() -> None:
    launcher = Launcher(samples=lambda name, process: [100, 150, 60, 100])
    run = carry_out(plan(*named("a"), max_noise=5.0), launcher)
    row = rows_of(run)["a"]
    assert len(row.series) == 6
    assert all(f.kind == "noisy" for s in row.series for f in s.flags)
    assert usable_series(row) == row.series


def test_what_makes_samples_unreliable_is_flagged_with_its_reason() -> None:
    launcher = Launcher(affinity=[0, 1], threads=4, clock_after=1500.0, switches=100)
    run = carry_out(plan(*named("a"), processes=1), launcher)
    (series,) = rows_of(run)["a"].series
    assert [flag.kind for flag in series.flags] == [
        "affinity_not_in_effect",
        "clock_changed",
        "busy_machine",
        "threads_not_in_effect",
    ]
    assert run.affinity.in_effect == (0, 1)
    assert "asked for core 0, runs on 0, 1" in series.flags[0].reason
    assert "2000 MHz before, 1500 MHz after" in series.flags[1].reason


def test_a_system_without_affinity_says_so_in_each_series() -> None:
    run = carry_out(plan(*named("a"), core=None), Launcher(affinity=None))
    assert run.affinity.asked is run.affinity.in_effect is None
    assert rows_of(run)["a"].series[0].flags[0].kind == "affinity_not_in_effect"


def test_a_busy_machine_is_flagged_before_the_start() -> None:
    class Busy(Launcher):
        def _baseline(self, job: WorkerJob, result: WorkerResult, on_chunk: object) -> None:
            result.events["baseline"] = {"durations_ns": [100] * 5 + [200] * 5}

    run = carry_out(plan(*named("a")), Busy())
    assert [flag.kind for flag in run.flags] == ["busy_machine"]
    quiet = carry_out(plan(*named("a")))
    assert quiet.flags == ()


def test_a_failing_profiler_leaves_its_reason_and_the_samples() -> None:
    launcher = Launcher(fail=lambda job, n: ("no disk", 0) if job.task == "profile" else None)
    run = carry_out(plan(*named("a"), profile=True), launcher)
    row = rows_of(run)["a"]
    assert row.profile is not None
    assert row.profile.note == "the profiler failed: no disk"
    assert len(row.series) == 3


def test_the_digest_depends_on_what_is_measured_not_on_where_it_lies() -> None:
    row = named("a")[0].row
    here, there = (Candidate(row, FileSource("onnx", path)) for path in ("/a/m.onnx", "/b/m.onnx"))
    other = Candidate(replace(row, runtime=replace(row.runtime, version="2")), here.source)
    assert plan_digest(plan(here)) == plan_digest(plan(there)) != plan_digest(plan(other))
