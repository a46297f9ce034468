"""Running programs: what they print comes back, and every way to fail is one error."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mobilevit_edge import programs
from mobilevit_edge.errors import ToolchainError
from mobilevit_edge.programs import run_program


def test_a_program_gets_its_input_and_its_output_comes_back(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.stdin.read(), os.getcwd(), os.environ['GREETING'])"
    answer = run_program(
        [sys.executable, "-c", code],
        "no",
        folder=tmp_path,
        environment={"GREETING": "hello"},
        given="input",
    )
    assert answer.split() == ["input", str(tmp_path), "hello"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; print('ignored'); sys.exit('it broke')", "cannot be had: it broke"),
        ("print('no word on stderr'); raise SystemExit(3)", "cannot be had: no word on stderr"),
        ("import time; time.sleep(60)", "cannot be had: .* timed out"),
    ],
)
def test_a_program_that_fails_says_why(
    code: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_SECONDS", 5)
    with pytest.raises(ToolchainError, match=reason):
        run_program([sys.executable, "-c", code], "it cannot be had")


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ToolchainError, match=r"it cannot be had: .*no-such-program"):
        run_program(["no-such-program"], "it cannot be had")
