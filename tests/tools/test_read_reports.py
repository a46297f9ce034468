"""Reports of apps: read, or named with what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

from mobilevit_edge.errors import ReportError
from tests.support.tools import run_tool
from tools import read_reports
from tools.app_check import CheckError

REPORT = Path(__file__).parents[1] / "data" / "devices" / "android_report.json"


def test_valid_reports_are_counted(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        shutil.copyfile(REPORT, tmp_path / name)
    finished = run_tool(read_reports, tmp_path)
    assert (finished.code, finished.out) == (0, "2 reports are valid\n")


def test_no_report_is_an_error(tmp_path: Path) -> None:
    finished = run_tool(read_reports, tmp_path)
    assert finished.code == CheckError.exit_code
    assert "contains no report" in finished.err


def test_a_damaged_report_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    finished = run_tool(read_reports, tmp_path)
    assert finished.code == ReportError.exit_code
    assert "a.json" in finished.err
