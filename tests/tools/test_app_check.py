"""Steps of the apps' checks: what fails decides the exit code."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from mobilevit_edge.errors import ToolchainError
from tests.support.tools import run_tool
from tools import app_check
from tools.android import check as android
from tools.app_check import CheckError, NotCheckedError, required_tools, run_module, run_step
from tools.ios import check as ios


def test_a_step_that_fails_is_an_error_in_the_code() -> None:
    with pytest.raises(CheckError, match=r"exit code 3 from: .* .raise SystemExit"):
        run_step([sys.executable, "-c", "raise SystemExit(3)"])


def test_a_step_that_never_ends_is_an_error_in_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_check, "_SECONDS", 0.5)
    with pytest.raises(CheckError, match=r"no end after 0.5 s: .* time\.sleep"):
        run_step([sys.executable, "-c", "import time; time.sleep(60)"])


def test_a_step_whose_program_is_missing_is_not_checked() -> None:
    missing = pytest.raises(NotCheckedError, match="not checked: no-such-tool is not installed")
    with missing, required_tools():
        run_step(["no-such-tool"])
    with pytest.raises(ToolchainError):
        run_step(["no-such-tool"])


def test_modules_run_from_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    run_module("tools.read_reports", "--help")
    assert "latency reports that an app has written" in capfd.readouterr().out


def test_without_a_tool_the_android_app_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "npm" else name)
    finished = run_tool(android, tmp_path)
    assert finished.code == 4
    assert finished.err.endswith("not checked: npm is not installed\n")


def test_without_root_the_ios_app_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    finished = run_tool(ios, tmp_path)
    assert finished.code == 4
    assert finished.err.endswith("not checked: entering a Debian with Swift needs root\n")
