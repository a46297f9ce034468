"""Artifacts are used again only where they would be made the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness import code
from benchmarks.workloads import reuse
from benchmarks.workloads.reuse import images_digest, make_once, recipe
from mobilevit_edge.errors import OutputError
from tests.support.images import save_smooth


def write(text: str, path: Path) -> None:
    path.write_text(text)


def test_the_same_recipe_is_made_once_and_another_one_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.onnx"
    assert make_once(path, "first", lambda p: write("1", p))
    assert make_once(path, "first", lambda p: pytest.fail("made again"))
    assert make_once(path, "second", lambda p: write("2", p))
    assert path.read_text() == "2"
    assert sorted(p.name for p in path.parent.iterdir()) == ["model.onnx", "model.onnx.made-of"]


def test_what_was_stopped_half_way_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"

    def stopped(path: Path) -> None:
        write("half", path)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_once(path, "same", stopped)
    assert make_once(path, "same", lambda p: write("whole", p))
    assert path.read_text() == "whole"


def test_what_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise OutputError("no")

    with pytest.raises(OutputError):
        make_once(tmp_path / "a", "same", refuse)
    assert not make_once(tmp_path / "b", "same", lambda path: None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_users_own_work_is_never_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.onnx"
    if kind == "file":
        path.write_text("mine")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(OutputError, match="name another --artifacts"):
        make_once(path, "same", lambda p: pytest.fail("made"))


def test_a_recipe_changes_with_code_tools_target_and_what_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {recipe("onnx", size=32), recipe("onnx", size=64), recipe("executorch", size=32)}
    assert recipe("onnx", size=32) in found
    monkeypatch.setattr(reuse, "package_versions", lambda info: {"torch": "another"})
    found.add(recipe("onnx", size=32))
    monkeypatch.setattr(reuse, "code_digest", lambda: "another")
    found.add(recipe("onnx", size=32))
    assert len(found) == 5


def test_the_code_is_that_of_our_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = code.code_digest()
    code.code_digest.cache_clear()
    assert code.code_digest() == whole
    code.code_digest.cache_clear()
    monkeypatch.setattr(code, "_PACKAGES", ("mobilevit_edge",))
    assert code.code_digest() != whole
    code.code_digest.cache_clear()


def test_images_are_told_apart_by_content(tmp_path: Path) -> None:
    save_smooth(tmp_path / "a.png", seed=1, size=(32, 32))
    before = images_digest(tmp_path)
    assert images_digest(tmp_path) == before
    save_smooth(tmp_path / "a.png", seed=2, size=(32, 32))
    assert images_digest(tmp_path) != before
