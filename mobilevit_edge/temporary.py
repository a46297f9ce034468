"""The system's folder for temporary files, which a hardened container may lack."""

from __future__ import annotations

import errno
import tempfile
from typing import Final

from mobilevit_edge.errors import OutputError

_MESSAGE: Final = (
    "no folder for temporary files can be written to: set TMPDIR to one that can, such as "
    "TMPDIR=/dev/shm"
)


def require_temporary_folder() -> None:
    """Find out before any work, since libraries notice late and say it badly.

    Raises:
        OutputError: there is none.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise no_temporary_folder() from error


def no_temporary_folder() -> OutputError:
    """The error to report where there is none."""
    return OutputError(_MESSAGE)


def is_about_temporary_folder(error: OSError) -> bool:
    """Whether :mod:`tempfile` raised this because it found no folder."""
    return error.errno == errno.ENOENT and "temporary directory" in str(error.strerror)
