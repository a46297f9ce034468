"""The overhead of the measuring loop."""

from __future__ import annotations

import re

import pytest

from tests.support.tools import run_tool
from tools.studies import overhead


def test_the_loop_costs_less_than_a_hundredth_of_a_millisecond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overhead, "_SECONDS", 0.02)
    finished = run_tool(overhead)
    assert finished.code == 0, finished.err
    found = re.fullmatch(r"(\d+) ns per sample: ([\d.]+)% of a millisecond\n", finished.out)
    assert found is not None
    nanoseconds, percent = map(float, found.groups())
    assert 10 < nanoseconds < 10_000
    assert percent == pytest.approx(nanoseconds / 1e4, abs=1e-3)
