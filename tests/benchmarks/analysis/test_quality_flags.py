"""Which series to go by, and rows of a report compared."""

from __future__ import annotations

import dataclasses

import pytest

from benchmarks.analysis.comparison import compare_across_runs, compare_in_run, summarize_row
from benchmarks.analysis.quality_flags import baseline_flags, usable_series
from mobilevit_edge.formats.report import Calm, DeviceState, Flag, FlagKind, LatencyRow, Series
from tests.support.benchmarks import STARTED, candidate

EMPTY = candidate("row").row


def series(process: int, *kinds: FlagKind, level: int = 100, group: str | None = "g") -> Series:
    return Series(
        process=process,
        group=group,
        position=0,
        started=STARTED,
        warm_up_ns=(),
        samples_ns=(level,) * 10,
        threads=1,
        affinity=None,
        involuntary_switches=None,
        before=DeviceState(),
        after=DeviceState(),
        flags=tuple(Flag(kind, "a reason") for kind in kinds),
    )


def row(*parts: Series) -> LatencyRow:
    return dataclasses.replace(EMPTY, series=parts)


@pytest.mark.parametrize(
    ("parts", "usable"),
    [
        ([], []),
        ([series(0), series(1, "throttled")], [0, 1]),
        ([series(0), series(1, "interrupted"), series(2, "noisy"), series(3, "crashed")], [0]),
        ([series(1, "interrupted"), series(2, "noisy")], [2]),
        ([series(1, "interrupted"), series(2, "crashed")], [1, 2]),
        ([dataclasses.replace(series(0, "crashed"), samples_ns=())], []),
    ],
)
def test_complete_and_quiet_series_come_first(parts: list[Series], usable: list[int]) -> None:
    assert [s.process for s in usable_series(row(*parts))] == usable


def test_rows_are_paired_by_the_processes_that_they_share() -> None:
    # Each process at another level: only pairs of the same process give 2.
    a = row(*(series(i, level=200 * (i + 1)) for i in (0, 1, 2, 4)))
    b = row(*(series(i, level=100 * (i + 1)) for i in (4, 3, 2, 1)))
    ratio = compare_in_run(a, b)
    assert ratio is not None
    assert (ratio.processes, ratio.rounds) == (3, 30)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2, 2, 2))


def test_rows_that_never_took_turns_are_not_compared_in_a_run() -> None:
    assert compare_in_run(row(series(0)), row(series(1))) is None
    assert compare_in_run(row(series(0)), row(series(0, group="h"))) is None
    assert compare_in_run(row(series(0, group=None)), row(series(0, group=None))) is None
    assert compare_in_run(row(series(0)), EMPTY) is None


def test_rows_of_separate_runs_are_compared_as_they_are() -> None:
    ratio = compare_across_runs(row(series(0, level=300)), row(series(7)))
    assert ratio is not None
    assert ratio.value == pytest.approx(3)
    assert compare_across_runs(row(series(0)), EMPTY) is None


def test_a_row_without_samples_has_no_summary() -> None:
    assert summarize_row(EMPTY) is None
    summary = summarize_row(row(series(0), series(1, "noisy", level=900)))
    assert summary is not None
    assert summary.median == 100


@pytest.mark.parametrize(
    ("durations", "busy"),
    [([], False), ([100] * 40, False), ([100] * 20 + [109] * 20, False), ([100, 120] * 20, True)],
)
def test_a_machine_is_busy_if_the_same_work_takes_different_times(
    durations: list[int], busy: bool
) -> None:
    assert bool(baseline_flags(Calm(tuple(durations)))) == busy
    assert baseline_flags(None) == ()
