"""Keeping the backends' advice to their own developers off the user's terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing printed, logged below critical, or warned by what runs inside; errors still raise."""
    previous = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)


@contextlib.contextmanager
def native_quiet() -> Iterator[None]:
    """As :func:`quiet`, and what native libraries print on the process's standard error.

    Only around what raises when it fails: nothing else is seen of it. All threads are concerned.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with quiet(), Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
