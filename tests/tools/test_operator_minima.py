"""The least times of operators, from profiles that other work has disturbed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilevit_edge.formats.report import OperatorTime, Profile
from tests.support.tools import run_tool, table_row
from tools.studies import operator_minima
from tools.studies.operator_minima import minima


def profile(*operators: tuple[str, str, int, int]) -> Profile:
    return Profile("P", 1, None, tuple(OperatorTime(k, n, "", c, t) for k, n, c, t in operators))


def test_every_operator_counts_with_its_least_time() -> None:
    disturbed = [
        profile(("Conv", "a", 1, 9_000), ("Conv", "b", 1, 2_000), ("Add", "c", 1, 10)),
        profile(("Conv", "a", 2, 6_000), ("Conv", "b", 1, 7_000)),
    ]
    assert minima(disturbed) == {"Conv": 3_000 + 2_000, "Add": 10}


def test_bundles_stand_side_by_side_the_longest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {
        "fast": profile(("Conv", "a", 1, 1_000_000), ("Add", "b", 1, 500_000)),
        "slow": profile(("Conv", "a", 1, 3_000_000), ("Softmax", "b", 1, 2_000_000)),
    }
    monkeypatch.setattr(operator_minima, "read_bundle", lambda path: path.name)
    monkeypatch.setattr(operator_minima, "profile_once", found.__getitem__)
    finished = run_tool(operator_minima, tmp_path / "fast", tmp_path / "slow", "--repeats", 2)
    assert finished.code == 0, finished.err
    assert table_row(finished.out, "Conv") == ["1.000", "3.000"]
    assert table_row(finished.out, "Softmax") == ["-", "2.000"]
    assert table_row(finished.out, "all") == ["1.500", "5.000"]
    assert finished.out.index("Conv") < finished.out.index("Softmax") < finished.out.index("Add")
