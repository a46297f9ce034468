"""The iOS app's Swift on this machine: built, tested, type-checked against stubs.

``tools.ios.check`` does it, with the tools that ``make ios`` gathers.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tools.app_check import ROOT, CheckError, NotCheckedError
from tools.ios.check import CACHE, STUB_MODULES, Build, copy_sources, type_check


@dataclass
class Compiler:
    """Stands in for the toolchain: keeps the commands, and fails on demand."""

    fails: bool = False
    commands: list[Sequence[str]] = field(default_factory=list)

    def run(
        self, command: Sequence[str], work: Path, error_type: type[Exception]
    ) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        assert all((work / part).is_file() for part in command if part.endswith(".swift"))
        return subprocess.CompletedProcess(
            list(command), int(self.fails), "", "error: no such type"
        )


def test_the_stubs_are_compiled_before_what_imports_them(tmp_path: Path) -> None:
    compiler: Any = Compiler()
    type_check(Build(compiler, copy_sources(tmp_path)))
    *modules, app = compiler.commands
    names = [command[command.index("-module-name") + 1] for command in modules]
    assert names == [*STUB_MODULES, "MobileViTKit", "MobileViTCoreML"]
    for command in compiler.commands:
        assert any(part.endswith(".swift") for part in command)
    assert "App/MobileViTApp.swift" in app


def test_what_does_not_compile_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiler: Any = Compiler(fails=True)
    with pytest.raises(CheckError, match="exit code 1 from swiftc"):
        type_check(Build(compiler, copy_sources(tmp_path)))
    assert "error: no such type" in capsys.readouterr().out


def test_the_app_builds_passes_its_tests_and_type_checks() -> None:
    if not CACHE.exists():
        pytest.skip("no Swift; gather it with: make ios")
    command = [sys.executable, "-m", "tools.ios.check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == NotCheckedError.exit_code:
        pytest.skip(f"Swift cannot be had: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
