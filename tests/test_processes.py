"""Running programs: what they print comes back, and every way to fail is one error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mobilevit_edge.errors import DeviceError, ToolchainError
from mobilevit_edge.processes import describe_ending, run_program, run_to_end


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
    ],
)
def test_a_program_that_fails_says_why(code: str, reason: str) -> None:
    with pytest.raises(ToolchainError, match=reason):
        run_program([sys.executable, "-c", code], "it cannot be had")


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ToolchainError, match=r"it cannot be had: .*no-such-program"):
        run_program(["no-such-program"], "it cannot be had")


def test_a_program_may_end_with_any_code_but_must_end_in_time() -> None:
    ended = run_to_end([sys.executable, "-c", "raise SystemExit('three')"], "no")
    assert (ended.returncode, ended.stderr) == (1, "three\n")
    with pytest.raises(DeviceError, match=r"it hangs: .* gave no answer within 0.2 s"):
        run_to_end(["sleep", "60"], "it hangs", seconds=0.2, error_type=DeviceError)


@pytest.mark.parametrize(
    ("code", "stderr", "ending"),
    [
        (-11, "one\ntwo\n", "its process crashed with SIGSEGV (two)"),
        (3, "", "its process ended with exit code 3 (no message)"),
        (1, "\x1b[31mred", "its process ended with exit code 1 ([31mred)"),
    ],
)
def test_an_ending_is_a_signal_or_a_code_and_the_last_line(
    code: int, stderr: str, ending: str
) -> None:
    assert describe_ending(code, stderr) == ending


def test_what_a_library_prints_does_not_reach_the_reserved_stdout() -> None:
    code = """
import os
from mobilevit_edge.processes import reserve_stdout
answers = reserve_stdout()
os.write(1, b"noise")
answers.write(b"answer")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert (ended.stdout, ended.stderr) == (b"answer", b"noise")
