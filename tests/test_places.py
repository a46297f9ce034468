"""What an output may replace: ours or nothing, never a device, a pipe, a link or an input."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mobilevit_edge.errors import OutputError
from mobilevit_edge.files import folder_transaction, write_atomically
from mobilevit_edge.places import check_file_place, check_folder_place, refuse_inputs


def make_device(path: Path) -> None:
    """A null device of the test's own, in its own folder."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except OSError as error:
        pytest.skip(f"this user may make no device: {error}")


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        # Its name may have no more than 108 characters.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            made.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)


NO_FILES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "socket": make_socket,
    "device": make_device,
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "loop": lambda path: path.symlink_to(path),
    "zeros": lambda path: path.symlink_to("/dev/zero"),
    "noise": lambda path: path.symlink_to("/dev/random"),
}
"""What may stand where a file is expected."""


def make_link(path: Path) -> None:
    (path.parent / "target").write_text("mine")
    path.symlink_to(path.parent / "target")


def make_link_to_nothing(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


SPECIAL: dict[str, Callable[[Path], None]] = {
    "a device": make_device,
    "a named pipe": os.mkfifo,
    "a socket": make_socket,
    "a symbolic link": make_link,
    "a symbolic link to nothing": make_link_to_nothing,
}


@pytest.fixture(params=SPECIAL)
def special(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """Something that is neither a file nor a folder, and what it is called."""
    path = tmp_path / "output"
    SPECIAL[request.param](path)
    return path, request.param.removesuffix(" to nothing")


def test_a_file_replaces_no_device_pipe_socket_or_link(special: tuple[Path, str]) -> None:
    path, kind = special
    before = path.lstat()
    with pytest.raises(OutputError, match=f"is {kind} and is not replaced"):
        write_atomically(path, lambda temporary: pytest.fail("work must not begin"))
    assert path.lstat() == before


def test_a_folder_replaces_no_device_pipe_socket_or_link(special: tuple[Path, str]) -> None:
    path, kind = special
    before = path.lstat()
    with (
        pytest.raises(OutputError, match=f"is {kind} and is not replaced"),
        folder_transaction(path, lambda folder: True),
    ):
        pytest.fail("work must not begin")
    assert path.lstat() == before


def test_a_folder_with_anything_in_it_is_not_replaced_unless_it_is_ours(tmp_path: Path) -> None:
    check_folder_place(tmp_path / "missing")
    check_folder_place(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="not touched"):
        check_folder_place(tmp_path)
    check_folder_place(tmp_path, lambda folder: (folder / "notes.txt").exists())


def test_a_file_is_not_replaced_by_a_folder_nor_a_folder_by_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(OutputError, match="is a file and is not replaced"):
        check_folder_place(file, lambda folder: True)
    with pytest.raises(OutputError, match="is a folder and is not replaced"):
        check_file_place(tmp_path)
    check_file_place(file)


@pytest.mark.parametrize("name", ["x" * 300, "nul\0l"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    for check in (check_file_place, check_folder_place):
        with pytest.raises(OutputError, match="cannot write"):
            check(tmp_path / name)


def test_what_comes_into_the_place_during_the_work_stays(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"

    def write(temporary: Path) -> None:
        temporary.write_text("new")
        os.mkfifo(file)

    with pytest.raises(OutputError, match="a named pipe"):
        write_atomically(file, write)

    def write_folder() -> None:
        with folder_transaction(folder) as fresh:
            (fresh / "model").write_text("new")
            folder.mkdir()
            (folder / "notes.txt").write_text("mine")

    with pytest.raises(OutputError, match="not touched"):
        write_folder()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder", "notes.txt"]


def test_no_output_replaces_an_input_by_whatever_name(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("{}")
    (tmp_path / "x").mkdir()
    link, hard = tmp_path / "link", tmp_path / "hard"
    link.symlink_to(tmp_path)
    hard.hardlink_to(report)
    for output in (report, link / "report.json", hard, tmp_path / "x" / ".." / "report.json"):
        with pytest.raises(OutputError, match=r"report\.json.*which this command reads"):
            refuse_inputs(output, [report])
    refuse_inputs(tmp_path / "page.html", [report, tmp_path / "missing"])


def test_a_link_to_itself_holds_no_output(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    refuse_inputs(tmp_path / "page.html", [loop], [loop])
    (tmp_path / "folder").mkdir()
    refuse_inputs(tmp_path / "folder", [loop / "report.json"])


def test_no_output_is_a_folder_around_an_input(tmp_path: Path) -> None:
    labels = tmp_path / "old" / "labels.txt"
    labels.parent.mkdir()
    labels.write_text("cat\n")
    with pytest.raises(OutputError, match="holds"):
        refuse_inputs(labels.parent, [labels])


def test_no_output_lies_in_a_folder_that_is_read_as_a_whole(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    with pytest.raises(OutputError, match="lies in"):
        refuse_inputs(images / "run" / "deep", [], [images])
    refuse_inputs(images / "run", [images])
    refuse_inputs(tmp_path / "run", [], [images])
