"""What a killed process leaves beside its output, and who clears it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mobilevit_edge import leftovers
from mobilevit_edge.errors import OutputError
from mobilevit_edge.files import folder_transaction, write_atomically
from mobilevit_edge.locks import only_writer

WRITER = """
import sys, time
from pathlib import Path
from mobilevit_edge.files import folder_transaction, write_atomically
def work(path):
    print("working", flush=True)
    time.sleep(60)
kind, path = sys.argv[1], Path(sys.argv[2])
if kind == "file":
    write_atomically(path, work)
with folder_transaction(path, Path.is_dir) as folder:
    (folder / "half").write_text("half")
    work(folder)
"""


def start_writer(kind: str, path: Path) -> subprocess.Popen[str]:
    """A process in the middle of writing to ``path``."""
    command = [sys.executable, "-c", WRITER, kind, str(path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


def write(kind: str, path: Path) -> None:
    if kind == "file":
        write_atomically(path, lambda temporary: temporary.write_text("new"))
        return
    with folder_transaction(path, Path.is_dir) as folder:
        (folder / "model").write_text("new")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_process_left_is_cleared_by_the_next_and_a_running_ones_is_not(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "_LEAST_AGE_SECONDS", 0.0)
    path = tmp_path / "output"
    process = start_writer(kind, path)
    try:
        assert len(list(tmp_path.iterdir())) == 1
        write(kind, path)
        assert len(list(tmp_path.iterdir())) == 2, "the running one's was taken away"
    finally:
        process.kill()
        process.communicate()
    write(kind, path)
    assert [left.name for left in tmp_path.iterdir()] == ["output"]


def test_a_leftover_that_may_not_be_locked_yet_stays(tmp_path: Path) -> None:
    fresh = leftovers.temporary_name(tmp_path / "output")
    fresh.mkdir()
    leftovers.clear_leftovers(tmp_path / "output")
    assert fresh.exists()


def test_the_old_folder_comes_back_from_what_was_killed_between_two_renames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e11)
    path = tmp_path / "output"
    left = leftovers.temporary_name(path)
    (left / leftovers.OLD).mkdir(parents=True)
    (left / leftovers.OLD / "model").write_text("old")
    (left / "new").mkdir()
    leftovers.clear_leftovers(path)
    assert [found.name for found in tmp_path.iterdir()] == ["output"]
    assert (path / "model").read_text() == "old"


@pytest.mark.parametrize(
    "name", [".output.txt", "output.0123456789abcdef", ".output.0123456789abcdeg", ".other.0" * 2]
)
def test_nothing_that_has_another_name_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e11)
    (tmp_path / name).mkdir()
    leftovers.clear_leftovers(tmp_path / "output")
    assert (tmp_path / name).exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to somebody else")
def test_nothing_of_another_user_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e11)
    left = leftovers.temporary_name(tmp_path / "output")
    left.mkdir()
    os.chown(left, 12345, 12345)
    leftovers.clear_leftovers(tmp_path / "output")
    assert left.exists()


def test_a_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    with (
        only_writer(tmp_path),
        pytest.raises(OutputError, match="another process is writing"),
        only_writer(tmp_path),
    ):
        pytest.fail("two writers")
    # What else is busy, such as a system without room for another process, is not this.
    with pytest.raises(BlockingIOError, match="no more processes"), only_writer(tmp_path):
        raise BlockingIOError(errno.EAGAIN, "no more processes")
    with only_writer(tmp_path):
        pass
    with pytest.raises(OutputError, match="cannot use"), only_writer(tmp_path / "missing"):
        pass
