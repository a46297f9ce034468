"""Locks that end with their process, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mobilevit_edge.errors import OutputError


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file or folder; ``False`` where that is not possible.

    Raises:
        BlockingIOError: another process holds it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return False
    return True


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Be the only one that writes into ``folder`` while the block runs.

    Raises:
        OutputError: another process does, or the folder cannot be opened.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OutputError(f"cannot use {folder}: {error.strerror}") from error
    try:
        try:
            try_lock(descriptor)
        except BlockingIOError as error:
            raise OutputError(
                f"another process is writing into {folder}: wait for its end, or choose another "
                f"folder"
            ) from error
        yield
    finally:
        os.close(descriptor)
