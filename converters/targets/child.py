"""Running a native runtime in a child process, so that its crash becomes a clear error.

Arrays travel as ``.npy`` streams over pipes, one request and one answer at a time.
"""

from __future__ import annotations

import contextlib
import io
import signal
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path
from typing import IO, Final

import numpy as np

from converters.targets.loaded import Array
from mobilevit_edge.errors import ConversionError

READY: Final = b"ready\n"
_LENGTH_BYTES: Final = 8
_MAX_MESSAGE: Final = 2000
_GRACE_SECONDS: Final = 5.0
"""Time for a dying child to end, so that its own reason can be reported."""


def write_array(stream: IO[bytes], array: Array) -> None:
    """One array onto a pipe: its length in eight bytes, then its ``.npy`` form."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    stream.write(buffer.tell().to_bytes(_LENGTH_BYTES, "little") + buffer.getvalue())
    stream.flush()


def read_array(stream: IO[bytes]) -> Array:
    """One array from a pipe. Raises EOFError at its end."""
    header = stream.read(_LENGTH_BYTES)
    if len(header) < _LENGTH_BYTES:
        raise EOFError("the other end has closed")
    buffer = io.BytesIO(stream.read(int.from_bytes(header, "little")))
    return np.load(buffer, allow_pickle=False)  # type: ignore[no-any-return]


class ChildRunner:
    """A worker module serving one artifact; it ends with this object."""

    def __init__(self, worker: str, path: Path) -> None:
        self._path = path
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed by _stop
        self._process = subprocess.Popen(  # noqa: S603  our own module, no shell
            [sys.executable, "-m", worker, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )
        self._finalizer = weakref.finalize(self, _stop, self._process, self._stderr)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != READY:
            raise ConversionError(f"the runtime cannot load {path.name}: {self._reason()}")

    def run(self, x: Array) -> Array:
        """One inference.

        Raises:
            ConversionError: the runtime failed or its process died.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            write_array(self._process.stdin, x)
            return read_array(self._process.stdout)
        except (BrokenPipeError, EOFError, ValueError) as error:
            raise ConversionError(
                f"the runtime failed on {self._path.name}: {self._reason()}"
            ) from error

    def _reason(self) -> str:
        """Why the child has died: its signal or exit code, and the last line it wrote.

        One that lives on after a wrong answer is ended.
        """
        try:
            code = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return "its process gave no valid answer"
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        last = lines[-1][:_MAX_MESSAGE] if lines else "no message"
        if code < 0:
            return f"its process crashed with {signal.Signals(-code).name} ({last})"
        return f"its process ended with exit code {code} ({last})"


def _stop(process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, stderr):
        if stream is not None:
            # Closing flushes what the dead child never read.
            with contextlib.suppress(BrokenPipeError):
                stream.close()
