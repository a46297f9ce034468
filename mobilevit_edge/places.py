"""What an output may replace: the file it names, or a folder of ours; never what a command reads.

No device, pipe or link either. Asked before any work begins, and again by
:mod:`mobilevit_edge.files` before anything is replaced.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from mobilevit_edge.errors import OutputError

_KINDS: Final = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def kind_of(mode: int) -> str:
    """What a file of this mode is, with its article: ``a file``, ``a folder``, ``a device``."""
    return next((name for fits, name in _KINDS if fits(mode)), "a device")


def check_file_place(path: Path) -> None:
    """Let a file be written where nothing is, or a regular file.

    Raises:
        OutputError: something else is there, or no folder to write into.
    """
    kind = _kind_at(path)
    if kind not in (None, "a file"):
        raise OutputError(f"{path} is {kind} and is not replaced: name a file for the output")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}")


def nothing(folder: Path) -> bool:
    """No folder may be replaced, unless it is empty: see :func:`check_folder_place`."""
    return False


def check_folder_place(path: Path, ours: Callable[[Path], bool] = nothing) -> None:
    """Let a folder be written where nothing is, an empty folder, or one of ours.

    Args:
        path: the place.
        ours: whether a folder that is not empty may be replaced.

    Raises:
        OutputError: something else is there.
    """
    kind = _kind_at(path)
    if kind is None:
        return
    if kind != "a folder":
        raise OutputError(f"{path} is {kind} and is not replaced: name a folder for the output")
    try:
        replaceable = not any(path.iterdir()) or ours(path)
    except OSError as error:
        raise OutputError(f"cannot use {path} as output: {error.strerror}") from error
    if not replaceable:
        raise OutputError(
            f"{path} holds something else and is not touched: choose another output, or empty it"
        )


def refuse_inputs(path: Path, inputs: Iterable[Path], folders: Iterable[Path] = ()) -> None:
    """Refuse an output that would replace, or change, what a command reads.

    Args:
        path: the output.
        inputs: files and folders, of which none may be at ``path`` or below it.
        folders: those that are read with everything in them, so that no output may be inside.

    Raises:
        OutputError: it names the input.
    """
    for given in (*inputs, *folders):
        if _holds(path, given):
            raise OutputError(
                f"{path} is, or holds, {given}, which this command reads: name another output"
            )
    for folder in folders:
        if folder.is_dir() and _holds(folder, path):
            raise OutputError(
                f"{path} lies in {folder}, which this command reads: name an output elsewhere"
            )


def _kind_at(path: Path) -> str | None:
    try:
        return kind_of(path.lstat().st_mode)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write {path}: {reason}") from error


def _holds(folder: Path, path: Path) -> bool:
    """Whether ``path`` is ``folder``, by whatever name, or lies in it."""
    place = _identity(folder)
    if place is None:
        return False
    try:
        inner = path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, which holds nothing
        return False
    return any(_identity(part) == place for part in (inner, *inner.parents))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
