"""Running a native runtime in a child process, so that its crash becomes a clear error.

Arrays travel as ``.npy`` streams over pipes, one request and one answer at a time.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final, Protocol

import numpy as np

from converters.targets.loaded import Array, LoadedModel, TensorSpec
from mobilevit_edge.errors import ConversionError
from mobilevit_edge.garbage import of_one_task
from mobilevit_edge.processes import reserve_stdout, wait_for_ending

READY: Final = b"ready "
"""A worker's first words, followed by the shape of its input and the end of the line."""
_LENGTH_BYTES: Final = 8


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


class Opened(Protocol):
    """A file in its runtime."""

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """Its inputs, in order."""

    def run(self, x: Array) -> Array:
        """The first output of one inference."""


@of_one_task()
def serve(open_file: Callable[[Path], Opened]) -> None:
    """What a worker's process does: answer arrays from stdin on stdout until stdin ends.

    ``open_file`` opens the file that the command line names; what it prints goes to stderr.
    """
    answers = reserve_stdout()
    opened = open_file(Path(sys.argv[1]))
    answers.write(READY + json.dumps(opened.inputs[0].shape).encode() + b"\n")
    answers.flush()
    while True:
        try:
            x = read_array(sys.stdin.buffer)
        except EOFError:
            return
        write_array(answers, opened.run(x))


def load_in_child(worker: str, path: Path, runtime: str, package: str) -> LoadedModel:
    """An artifact that answers from a process of its own, by way of XNNPACK.

    Args:
        worker: the module that runs there, see :func:`serve`.
        path: the artifact.
        runtime: what runs it.
        package: whose version is that of the runtime.

    Raises:
        ConversionError: the runtime refuses the file, or crashes.
    """
    version = importlib.metadata.version(package)
    runner = ChildRunner(worker, path)
    # Neither runtime tells an open batch from a fixed one.
    takes = (None, *runner.takes[1:])
    return LoadedModel(runner.run, f"{runtime} {version}, XNNPACK", takes=takes)


class ChildRunner:
    """A worker module serving one artifact, which ``takes`` this shape; both end together."""

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
        line = self._process.stdout.readline()
        if not (line.startswith(READY) and line.endswith(b"\n")):
            raise ConversionError(f"the runtime cannot load {path.name}: {self._reason()}")
        self.takes: tuple[int, ...] = tuple(json.loads(line[len(READY) :]))

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
        """Why the child has died; one that lives on after a wrong answer is ended."""
        ending = wait_for_ending(self._process, self._stderr)
        if ending is None:
            self._process.kill()
            self._process.wait()
        return ending or "its process gave no valid answer"


def _stop(process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, stderr):
        if stream is not None:
            # Closing flushes what the dead child never read.
            with contextlib.suppress(BrokenPipeError):
                stream.close()
