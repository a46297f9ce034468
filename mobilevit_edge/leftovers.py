"""Temporary files and folders beside an output, and those that a killed process left there.

Each is locked as long as its process lives, so that the next one can tell.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mobilevit_edge.locks import try_lock

OLD: Final = "old"
"""In a temporary folder: what the new folder replaces, which stepped aside."""
_RANDOM_BYTES: Final = 8
_LEAST_AGE_SECONDS: Final = 1.0
"""A younger one may not be locked yet."""


def temporary_name(path: Path) -> Path:
    """A hidden name beside ``path`` that nobody else has."""
    return path.parent / f".{path.name}.{secrets.token_hex(_RANDOM_BYTES)}"


@contextmanager
def locked(temporary: Path) -> Iterator[None]:
    """Tell other processes that a temporary file or folder is in use while the block runs."""
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        with suppress(BlockingIOError):
            try_lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def clear_leftovers(path: Path) -> None:
    """Remove temporary files and folders of ``path`` whose process is gone.

    Where it was killed between taking away the old folder and putting the new one in place, the
    old one comes back.
    """
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{{2 * _RANDOM_BYTES}}}")
    with suppress(OSError):
        for name in os.listdir(path.parent):
            if pattern.fullmatch(name):
                _clear(path.parent / name, path)


def _clear(leftover: Path, path: Path) -> None:
    with suppress(OSError):
        status = leftover.lstat()
        is_folder = stat.S_ISDIR(status.st_mode)
        if (
            not (is_folder or stat.S_ISREG(status.st_mode))
            or status.st_uid != os.getuid()
            or time.time() - status.st_ctime < _LEAST_AGE_SECONDS
        ):
            return
        descriptor = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            if not try_lock(descriptor):
                return
            if not is_folder:
                leftover.unlink()
                return
            if (leftover / OLD).exists() and not os.path.lexists(path):
                (leftover / OLD).rename(path)
            shutil.rmtree(leftover)
        finally:
            os.close(descriptor)
