"""Child processes: running programs to their end, how a process ended, a worker's own stdout."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from mobilevit_edge.errors import MobileViTEdgeError, ToolchainError

_SECONDS: Final = 600.0
_MAX_TAIL: Final = 500
_MAX_LINE: Final = 2000
_GRACE_SECONDS: Final = 5.0
"""What a process that is about to end gets, so that its own message is read."""


def run_to_end(
    command: Sequence[str | Path],
    failure: str,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    given: str = "",
    seconds: float = _SECONDS,
    error_type: type[MobileViTEdgeError] = ToolchainError,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever its exit code.

    Args:
        command: the program and its arguments.
        failure: what it means if there is no end.
        folder: where to run it.
        environment: instead of this process's own.
        given: its standard input.
        seconds: how long it may take.
        error_type: what to raise.

    Raises:
        MobileViTEdgeError: of type ``error_type``: it cannot be started or takes too long.
    """
    try:
        return subprocess.run(  # noqa: S603  a command of ours
            command,
            cwd=folder,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        reason = f"{command[0]} gave no answer within {seconds:g} s"
        raise error_type(f"{failure}: {reason}") from error
    except OSError as error:
        raise error_type(f"{failure}: {error}") from error


def run_program(
    command: Sequence[str | Path],
    failure: str,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    given: str = "",
) -> str:
    """Run a command that must succeed, and return what it printed.

    The arguments are those of :func:`run_to_end`.

    Raises:
        ToolchainError: it cannot be started, takes too long or fails; the message is ``failure``
            and the end of what the program printed.
    """
    finished = run_to_end(command, failure, folder=folder, environment=environment, given=given)
    if finished.returncode != 0:
        raise ToolchainError(f"{failure}: {output_tail(finished)}")
    return finished.stdout


def output_tail(finished: subprocess.CompletedProcess[str]) -> str:
    """The end of what a command printed on stderr, or else on stdout, for a message."""
    return (finished.stderr or finished.stdout).strip()[-_MAX_TAIL:]


def wait_for_ending(process: subprocess.Popen[bytes], stderr: IO[bytes]) -> str | None:
    """How a process that should be over has ended; ``None`` if it is still running.

    Args:
        process: it gets a few seconds to end.
        stderr: the file that its standard error goes to.
    """
    try:
        code = process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    stderr.seek(0)
    return describe_ending(code, stderr.read().decode(errors="replace"))


def describe_ending(code: int, stderr: str) -> str:
    """How a process ended: its signal or exit code, and the last line of its standard error."""
    lines = stderr.strip().splitlines()
    last = "".join(filter(str.isprintable, lines[-1]))[:_MAX_LINE] if lines else "no message"
    if code < 0:
        return f"its process crashed with {signal.Signals(-code).name} ({last})"
    return f"its process ended with exit code {code} ({last})"


def reserve_stdout() -> IO[bytes]:
    """This process's standard output, for its own answers alone.

    Native libraries print on descriptor 1: from now on, that goes to standard error.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers
