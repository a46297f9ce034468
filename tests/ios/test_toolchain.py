"""The small Debian's folder takes the place of nothing but an older one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mobilevit_edge.errors import OutputError, ToolchainError
from tools.ios import toolchain


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Plays the bootstrap and the installation, whose exit code is the first of the list."""
    codes = [0]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(toolchain, "_bootstrap", lambda _, target: (target / "usr").mkdir())
    monkeypatch.setattr(
        toolchain.Toolchain,
        "run",
        lambda _, command, work: subprocess.CompletedProcess(command, codes[0], "", "no space"),
    )
    return codes


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "work.txt").write_text("a year's")
    with pytest.raises(OutputError, match="holds something else and is not touched"):
        toolchain.gather(tmp_path, print)
    assert (tmp_path / "work.txt").read_text() == "a year's"


def test_an_older_debian_is_replaced_as_a_whole_and_a_new_one_kept(tmp_path: Path) -> None:
    cache = tmp_path / "caches" / "swift"
    cache.mkdir(parents=True)
    (cache / "made-of.txt").write_text("an older suite")
    (cache / "old").touch()
    steps: list[str] = []
    assert toolchain.gather(cache, steps.append).folder == cache
    assert sorted(path.name for path in cache.iterdir()) == ["made-of.txt", "usr"]
    toolchain.gather(cache, steps.append)
    assert len(steps) == 2
    assert list(cache.parent.iterdir()) == [cache]


def test_a_failed_installation_leaves_nothing_new(tmp_path: Path, installed: list[int]) -> None:
    installed[0] = 100
    with pytest.raises(ToolchainError, match="Swift cannot be installed: no space"):
        toolchain.gather(tmp_path / "swift", print)
    assert list(tmp_path.iterdir()) == []
