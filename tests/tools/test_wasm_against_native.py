"""The study of what a browser costs: its table, and the order in which it measures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mobilevit_edge.errors import DeviceError, UsageError
from tools.studies import wasm_against_native as study
from tools.studies.wasm_against_native import Measured, table


def test_a_line_has_both_medians_and_the_range_of_their_ratios() -> None:
    measured = [
        Measured("small", "fp32", (10.0, 20.0, 10.0), (40.0, 60.0, 45.0)),
        Measured("small", "int8", (5.0, 5.0, 5.0), (20.0, 20.0, 20.0)),
        Measured("large", "int8", (50.0,), (100.0,)),
    ]
    head, _, small, large = table(measured).split("\n")
    assert head.count("|") == large.count("|") == 8
    assert small == "| small | 10.00 | 45.0 | 4.0 (3.0 to 4.5) | 5.00 | 20.0 | 4.0 (4.0 to 4.0) |"
    assert large == "| large |  |  |  | 50.00 | 100.0 | 2.0 (2.0 to 2.0) |"
    with pytest.raises(UsageError, match="two bundles of small in fp32"):
        table([measured[0], measured[0]])


def test_both_take_turns(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    asked: list[tuple[str, str]] = []

    def measured(kind: str, *arguments: Any) -> Any:
        bundle = next(part for part in arguments if isinstance(part, Path))
        asked.append((kind, bundle.name))
        row = SimpleNamespace(subject=SimpleNamespace(model=bundle.name, precision="fp32"))
        return row, 1.0 if kind == "run" else 4.0

    monkeypatch.setattr(study, "_measured", measured)
    monkeypatch.setattr(study, "find_browser", lambda name: name)
    study.command(study.parser().parse_args(["a", "b", "--rounds", "2"]))
    turn = [("run", "a"), ("device", "a"), ("run", "b"), ("device", "b")]
    assert asked == turn * 2
    assert "| a | 1.00 | 4.0 | 4.0 (4.0 to 4.0) |" in capsys.readouterr().out


def test_what_cannot_be_measured_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="is not a bundle"):
        study._measured("run", tmp_path)
