"""Runs stopped at random moments: a few of them, and what the study calls a problem."""

from __future__ import annotations

import signal

import pytest

from tests.support.tools import run_tool, table_rows
from tools.studies import stops


def test_stopped_runs_keep_the_older_output_and_leave_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stops, "_IMPORTED", ("tests.support.tiny_specs", *stops._IMPORTED))
    finished = run_tool(stops, "--exports", 1, "--trainings", 0, "--seed", 1)
    assert finished.code == 0, finished.err
    rows = table_rows(finished.out)
    counted = dict.fromkeys(("export", "train"), 0)
    for kind, _, stopped, ended, crashed, problems in rows:
        counted[kind] += int(stopped) + int(ended) + int(crashed)
        assert problems == "0"
    assert counted == {"export": 1, "train": 0}


def test_a_problem_is_counted_by_run_and_signal() -> None:
    table = stops.stops_table(
        [
            stops.Stop("export", signal.SIGKILL, "stopped", "left .bundle"),
            stops.Stop("export", signal.SIGKILL, "ended before", None),
            stops.Stop("train", signal.SIGINT, "crashed", None),
        ]
    )
    cells = [list(column.cells) for column in table.columns]
    assert list(zip(*cells, strict=True)) == [
        ("export", "SIGKILL", "1", "1", "0", "1"),
        ("train", "SIGINT", "0", "0", "1", "0"),
    ]
