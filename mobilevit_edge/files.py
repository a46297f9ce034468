"""Hashing files, and writing files and folders so that a failed run leaves nothing half-written."""

from __future__ import annotations

import errno
import hashlib
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mobilevit_edge.errors import OutputError

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
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place in one step.

    Raises:
        OutputError: the folder is missing or not writable, or the disk is full; an older file at
            ``path`` is untouched.
    """
    temporary = _temporary_name(path)
    try:
        # Inside the block: a signal right after the file was made must not leave it behind.
        temporary.touch(exist_ok=False)
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def folder_transaction(target: Path) -> Iterator[Path]:
    """A temporary folder beside ``target`` that takes its place when the block ends well.

    If the block raises, whatever was at ``target`` before stays.

    Raises:
        OutputError: the parent is not writable, or the disk is full.
    """
    target = target.resolve()
    if target in (Path.cwd(), *Path.cwd().parents):
        raise OutputError(f"{target} is the current folder or above it; name a new folder")
    missing = [parent for parent in target.parents if not parent.exists()]
    work = _temporary_name(target)
    try:
        # Inside the block: a signal right after a folder was made must not leave it behind.
        fresh = _make_work_folder(work, target)
        yield fresh
        if target.exists():
            # Renaming a folder over another is not possible: the old one steps aside first.
            target.rename(work / "old")
        fresh.rename(target)
    except OSError as error:
        if error.errno not in _WRITE_ERRORS:
            raise
        raise OutputError(f"cannot write {target}: {error.strerror}") from error
    finally:
        # Whatever stopped us between the two renames, an interrupt too: the old one comes back.
        if (work / "old").exists() and not target.exists():
            (work / "old").rename(target)
        shutil.rmtree(work, ignore_errors=True)
        for parent in missing:
            # Folders made for a run that failed go again; rmdir leaves those in use.
            with suppress(OSError):
                parent.rmdir()


def _temporary_name(path: Path) -> Path:
    """A hidden name beside ``path`` that nobody else has."""
    return path.parent / f".{path.name}.{secrets.token_hex(8)}"


def _make_work_folder(work: Path, target: Path) -> Path:
    try:
        work.parent.mkdir(parents=True, exist_ok=True)
        work.mkdir(mode=0o700)
        fresh = work / "new"
        fresh.mkdir()
    except OSError as error:
        raise OutputError(f"cannot write beside {target}: {error.strerror}") from error
    return fresh
