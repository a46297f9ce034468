"""Hashing files, and writing files and folders so that a failed run leaves nothing half-written."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mobilevit_edge.errors import OutputError
from mobilevit_edge.leftovers import OLD, clear_leftovers, locked, temporary_name
from mobilevit_edge.places import check_file_place, check_folder_place, nothing

# What a full, read-only or failing disk raises; other errors of the block are not about writing.
_WRITE_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EIO,
    errno.ENOTDIR,
    errno.EBUSY,
    errno.EINVAL,
    errno.ENOTEMPTY,
)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return sha256_of_open(file)


def sha256_of_open(file: BinaryIO) -> str:
    """Hexadecimal SHA-256 of what is left to read of an open file."""
    digest = hashlib.sha256()
    while chunk := file.read(2**20):
        digest.update(chunk)
    return digest.hexdigest()


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place in one step.

    Raises:
        OutputError: the folder is missing or not writable, the disk is full, or what is at ``path``
            may not be replaced; it is untouched.
    """
    check_file_place(path)
    clear_leftovers(path)
    temporary = temporary_name(path)
    try:
        # Inside the block: a signal right after the file was made must not leave it behind.
        temporary.touch(exist_ok=False)
        with locked(temporary):
            write(temporary)
            check_file_place(path)
            temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def folder_transaction(target: Path, ours: Callable[[Path], bool] = nothing) -> Iterator[Path]:
    """A temporary folder beside ``target`` that takes its place when the block ends well.

    If the block raises, whatever was at ``target`` before stays.

    Args:
        target: the place.
        ours: whether a folder that is there and not empty may be replaced.

    Raises:
        OutputError: the parent is not writable, the disk is full, or what is at ``target`` may not
            be replaced.
    """
    check_folder_place(target, ours)
    target = target.resolve()
    if target in (Path.cwd(), *Path.cwd().parents):
        raise OutputError(f"{target} is the current folder or above it; name a new folder")
    clear_leftovers(target)
    missing = [parent for parent in target.parents if not parent.exists()]
    work = temporary_name(target)
    try:
        # Inside the block: a signal right after a folder was made must not leave it behind.
        fresh = _make_work_folder(work, target)
        with locked(work):
            yield fresh
            check_folder_place(target, ours)
            if target.exists():
                # Renaming a folder over another is not possible: the old one steps aside first.
                target.rename(work / OLD)
            fresh.rename(target)
    except OSError as error:
        if error.errno not in _WRITE_ERRORS:
            raise
        raise OutputError(f"cannot write {target}: {error.strerror}") from error
    finally:
        # Whatever stopped us between the two renames, an interrupt too: the old one comes back.
        if (work / OLD).exists() and not target.exists():
            (work / OLD).rename(target)
        shutil.rmtree(work, ignore_errors=True)
        for parent in missing:
            # Folders made for a run that failed go again; rmdir leaves those in use.
            with suppress(OSError):
                parent.rmdir()


def _make_work_folder(work: Path, target: Path) -> Path:
    try:
        work.parent.mkdir(parents=True, exist_ok=True)
        work.mkdir(mode=0o700)
        fresh = work / "new"
        fresh.mkdir()
    except OSError as error:
        raise OutputError(f"cannot write beside {target}: {error.strerror}") from error
    return fresh
