"""The Android tools' cache takes the place of nothing but an older one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mobilevit_edge.errors import OutputError, ToolchainError
from tools.android import toolchain


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(toolchain, "_fetch_kotlin", lambda folder: folder.mkdir())
    monkeypatch.setattr(toolchain, "unpack_packages", lambda suites, folder: folder.mkdir())


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "work.txt").write_text("a year's")
    with pytest.raises(OutputError, match="holds something else and is not touched"):
        toolchain.gather(tmp_path, print)
    assert (tmp_path / "work.txt").read_text() == "a year's"


def test_an_older_cache_is_replaced_as_a_whole_and_a_new_one_kept(tmp_path: Path) -> None:
    cache = tmp_path / "caches" / "android"
    cache.mkdir(parents=True)
    (cache / "made-of.txt").write_text("an older list")
    (cache / "old.jar").touch()
    steps: list[str] = []
    assert toolchain.gather(cache, steps.append).folder == cache
    assert sorted(path.name for path in cache.iterdir()) == ["debian", "kotlin", "made-of.txt"]
    assert len(steps) == 2
    toolchain.gather(cache, steps.append)
    assert len(steps) == 2
    assert list(cache.parent.iterdir()) == [cache]


def test_a_failed_fetch_leaves_the_older_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise ToolchainError("is there a network?")

    monkeypatch.setattr(toolchain, "_fetch_kotlin", fail)
    (tmp_path / "made-of.txt").write_text("an older list")
    with pytest.raises(ToolchainError):
        toolchain.gather(tmp_path, print)
    assert [path.name for path in tmp_path.iterdir()] == ["made-of.txt"]
