"""Writing so that a failed run leaves nothing half-written and keeps what was there."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mobilevit_edge.console import unwind_on_signals
from mobilevit_edge.errors import OutputError
from mobilevit_edge.files import folder_transaction, sha256_of, write_atomically


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_hash_is_sha256_of_all_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = bytes(range(256)) * 5000
    path.write_bytes(content)
    assert sha256_of(path) == hashlib.sha256(content).hexdigest()


def test_an_atomic_write_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_text("old")
    write_atomically(path, lambda temporary: temporary.write_text("new"))
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_atomic_write_obeys_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = os.umask(0o027)
    try:
        write_atomically(path, lambda temporary: temporary.write_text("x"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failed_atomic_write_keeps_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "weights.pt"
    path.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("half")
        raise error

    with pytest.raises((OutputError, KeyboardInterrupt)) as caught:
        write_atomically(path, write)
    assert isinstance(caught.value, OutputError) == isinstance(error, OSError)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@contextmanager
def signal_after(call: str, name: str, number: int) -> Iterator[None]:
    """Sends this process a signal as ``os``'s ``call`` returns that makes a path like ``name``."""
    real: Callable[..., Any] = getattr(os, call)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def interrupted(path: str | Path, *args: Any, **kwargs: Any) -> Any:
        result = real(path, *args, **kwargs)
        if name in Path(path).name:
            signal.raise_signal(number)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, call, interrupted)
        unwind_on_signals()
        # Shells let what they start in the background ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


SIGNALS = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]


@pytest.mark.parametrize(("number", "stop"), SIGNALS)
def test_a_signal_as_soon_as_the_temporary_file_is_there_leaves_none(
    tmp_path: Path, number: int, stop: type[BaseException]
) -> None:
    path = tmp_path / "weights.pt"
    path.write_text("old")
    with pytest.raises(stop), signal_after("open", ".weights.pt.", number):
        write_atomically(path, lambda temporary: temporary.write_text("new"))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("number", "stop"), SIGNALS)
@pytest.mark.parametrize("name", ["deep", ".bundle.", "new"])
def test_a_signal_as_soon_as_a_folder_is_there_leaves_none(
    tmp_path: Path, name: str, number: int, stop: type[BaseException]
) -> None:
    with (
        pytest.raises(stop),
        signal_after("mkdir", name, number),
        folder_transaction(tmp_path / "deep" / "bundle"),
    ):
        pytest.fail("the block must not begin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_folder_that_cannot_hold_the_file_is_named(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*weights\.pt"):
        write_atomically(tmp_path / folder / "weights.pt", lambda temporary: None)


def test_a_folder_transaction_puts_the_new_folder_in_place_of_the_old(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "bundle"
    for content in ("first", "second"):
        with folder_transaction(target, Path.is_dir) as work:
            (work / content).write_text(content)
            assert not (target / content).exists(), "nothing shows before the end"
        assert [path.name for path in target.iterdir()] == [content]
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [True, False])
def test_a_failed_transaction_leaves_what_was_there(
    tmp_path: Path, existing: bool, error: BaseException
) -> None:
    target = tmp_path / "bundle"
    if existing:
        target.mkdir()
        (target / "model").write_text("good")
    before = sorted(tmp_path.rglob("*"))

    def write_half_a_bundle() -> None:
        with folder_transaction(target, Path.is_dir) as work:
            (work / "model").write_text("half")
            raise error

    with pytest.raises(type(error)):
        write_half_a_bundle()
    assert sorted(tmp_path.rglob("*")) == before
    if existing:
        assert (target / "model").read_text() == "good"


def test_a_full_disk_inside_a_transaction_is_an_output_error(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "model").write_text("good")
    with pytest.raises(OutputError, match="No space left"), folder_transaction(target, Path.is_dir):
        full_disk()
    assert (target / "model").read_text() == "good"
    assert list(tmp_path.iterdir()) == [target]


def test_an_unrelated_os_error_is_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), folder_transaction(tmp_path / "bundle"):
        (tmp_path / "input.jpg").read_bytes()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["mkdir", "rename"])
def test_a_disk_that_fails_at_either_end_keeps_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "model").write_text("good")
    rename = Path.rename

    def rename_all_but_the_new(self: Path, to: Path) -> Path:
        if self.name == "new":
            full_disk()
        return rename(self, to)

    if step == "mkdir":
        monkeypatch.setattr(os, "mkdir", full_disk)
    else:
        monkeypatch.setattr(Path, "rename", rename_all_but_the_new)
    with (
        pytest.raises(OutputError, match="No space left"),
        folder_transaction(target, Path.is_dir) as work,
    ):
        (work / "model").write_text("new")
    assert (target / "model").read_text() == "good"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_in_the_way_of_the_parent_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="Not a directory"),
        folder_transaction(tmp_path / "file" / "bundle"),
    ):
        pass


def test_the_current_folder_cannot_be_replaced_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = tmp_path / "current"
    current.mkdir()
    (current / "notes.txt").write_text("mine")
    monkeypatch.chdir(current)
    with pytest.raises(OutputError), folder_transaction(Path()) as work:
        (work / "model").write_text("new")
    assert [path.name for path in current.iterdir()] == ["notes.txt"]
