"""Opening files of unknown origin: regular files alone, up to a size, with a typed error.

A named pipe would hang for ever, and a device has no end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from mobilevit_edge.errors import InputError
from mobilevit_edge.places import kind_of

MEBIBYTE: Final = 1024**2


def open_regular(
    path: str | Path, max_bytes: int, error: Callable[[str], InputError], *, follow: bool = True
) -> BinaryIO:
    """A regular file of at most ``max_bytes``, open for reading.

    Args:
        path: the file.
        max_bytes: a larger one is refused.
        error: makes what is raised, of a message.
        follow: whether the path may be a link.

    Raises:
        InputError: what ``error`` makes: nothing there, not readable, too large, or no file.
    """
    try:
        # Before it is opened: that alone does something to some devices.
        status = os.stat(path, follow_symlinks=follow)
        _check(status, path, max_bytes, error)
        flags = os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as problem:  # ValueError: a null character in the name
        reason = getattr(problem, "strerror", None) or problem
        raise error(f"cannot read {path}: {reason}") from problem
    file = os.fdopen(descriptor, "rb")
    try:
        _check(os.fstat(descriptor), path, max_bytes, error)
    except BaseException:
        file.close()
        raise
    return file


def read_regular(
    path: str | Path, max_bytes: int, error: Callable[[str], InputError], *, follow: bool = True
) -> bytes:
    """The content of what :func:`open_regular` opens.

    Raises:
        InputError: what ``error`` makes.
    """
    with open_regular(path, max_bytes, error, follow=follow) as file:
        try:
            content = file.read(max_bytes + 1)
        except OSError as problem:
            raise error(f"cannot read {path}: {problem.strerror}") from problem
    if len(content) > max_bytes:
        raise error(f"{path} is larger than {max_bytes} bytes")
    return content


def read_text(path: str | Path, max_bytes: int, error: Callable[[str], InputError]) -> str:
    """The UTF-8 text of what :func:`open_regular` opens, with its line ends as they are.

    Raises:
        InputError: what ``error`` makes, also where it is no text.
    """
    try:
        return read_regular(path, max_bytes, error).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise error(f"{path} is not UTF-8 text") from problem


def _check(
    status: os.stat_result, path: str | Path, max_bytes: int, error: Callable[[str], InputError]
) -> None:
    kind = kind_of(status.st_mode)
    if kind != "a file":
        raise error(f"{path} is {kind}, not a file")
    if status.st_size > max_bytes:
        raise error(f"{path} is larger than {max_bytes} bytes")
