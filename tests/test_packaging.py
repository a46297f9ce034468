"""What the wheel holds: all that runs needs, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mobilevit_edge import entry

ROOT = Path(__file__).parents[1]
SUFFIXES = {
    *(".py", ".json", ".txt", ".typed", ".safetensors", ".md", ".jinja", ".c", ".cpp", ".hpp")
}
PACKAGES = ("mobilevit_edge", "converters", "benchmarks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a copy of the tracked files, so that no stray build folder gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    # The working tree may be ahead of the last commit.
    for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source],
        check=True,
        capture_output=True,
    )
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_every_source_file_of_its_packages(wheel: zipfile.ZipFile) -> None:
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in SUFFIXES
    }
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == expected


def test_the_wheel_declares_its_commands_and_its_license(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    (entry_points,) = [n for n in names if n.endswith("entry_points.txt")]
    text = wheel.read(entry_points).decode()
    assert "mobilevit-export = mobilevit_edge.entry:export" in text
    assert "mobilevit-predict = mobilevit_edge.entry:predict" in text
    assert "mobilevit-train = mobilevit_edge.entry:train" in text
    assert "mobilevit-bench = mobilevit_edge.entry:bench" in text
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.parametrize(("given", "seen"), [(None, "1"), ("0", "0")])
def test_commands_let_onnx_runtime_report_nothing_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, given: str | None, seen: str
) -> None:
    monkeypatch.setenv(entry._NO_TELEMETRY, given or "")
    if given is None:
        monkeypatch.delenv(entry._NO_TELEMETRY)
    monkeypatch.setattr(sys, "argv", ["mobilevit-export", "--list"])
    assert entry.export() == 0
    assert os.environ[entry._NO_TELEMETRY] == seen
