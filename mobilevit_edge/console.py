"""What the commands share: exit codes, progress, messages, one object on stdout with --json."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from mobilevit_edge.command_parser import complete
from mobilevit_edge.errors import (
    OPTIONAL_PACKAGES,
    MissingPackageError,
    MobileViTEdgeError,
    OutputError,
)
from mobilevit_edge.printable import message, one_line
from mobilevit_edge.temporary import is_about_temporary_folder, no_temporary_folder

INTERRUPTED: Final = 130
TERMINATED: Final = 143
UNEXPECTED: Final = 1
_LONGEST_MESSAGE: Final = 1800
"""Characters; a message may quote a file of any size."""
_SYSTEM_ERRORS: Final = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOSPC,
        errno.EPERM,
        errno.EROFS,
    }
)
"""What a full disk, a lack of permission and the like raise, wherever that is noticed."""


def add_common_arguments(parser: ArgumentParser) -> None:
    """``--json`` and ``--debug``."""
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object on stdout, everything else on stderr",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of a failure")


def run_command(
    parser: ArgumentParser, command: Callable[[Namespace], None], argv: Sequence[str] | None
) -> int:
    """Parse, run, and turn any failure into one message and its exit code."""
    complete(parser)
    arguments = parser.parse_args(argv)
    stopped = unwind_on_signals()
    for stream in (sys.stdout, sys.stderr):
        # Labels may hold characters that a pipe's encoding lacks.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        command(arguments)
        # Now rather than at the interpreter's end: a full device is noticed only here.
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _interrupted(parser, arguments)
    except MobileViTEdgeError as error:
        code = stopped()
        if code == INTERRUPTED:
            return _interrupted(parser, arguments)
        _report(parser, str(error), debug=arguments.debug)
        _discard_output()
        return error.exit_code if code is None else code
    except BrokenPipeError:
        # The reader of our output (head, less) has closed it, which is not an error.
        _discard_output()
        return 0
    except Exception as error:
        if (code := stopped()) is not None:
            return _interrupted(parser, arguments) if code == INTERRUPTED else code
        known = _known(error)
        if known is not None:
            _report(parser, str(known), debug=arguments.debug)
            _discard_output()
            return known.exit_code
        _report(
            parser,
            f"unexpected {type(error).__name__}: {error} (a defect of this program; "
            f"run again with --debug and report what it prints)",
            debug=arguments.debug,
        )
        return UNEXPECTED
    return 0


def _interrupted(parser: ArgumentParser, arguments: Namespace) -> int:
    # Whoever has pressed Ctrl-C has made no error.
    _say(parser, "interrupted", debug=arguments.debug)
    return INTERRUPTED


def _discard_output() -> None:
    """Where output cannot be written, let it go nowhere: the interpreter would try once more."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # A stand-in for standard output may have no descriptor.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A function that shows the current step and its time on a terminal; silent when piped."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", style="none", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("starting", total=None)
        # Each step's own time: what takes long is seen to.
        yield lambda step: shown.reset(task, description=one_line(step))


def _known(error: Exception) -> MobileViTEdgeError | None:
    """What an error of Python's own means to the user; ``None`` for a defect of this program."""
    if isinstance(error, ModuleNotFoundError):
        # Any other module that is missing is a defect.
        package = (error.name or "").partition(".")[0]
        return MissingPackageError(package) if package in OPTIONAL_PACKAGES else None
    if isinstance(error, OSError):
        if is_about_temporary_folder(error):
            return no_temporary_folder()
        if error.errno in _SYSTEM_ERRORS:
            place = "an open file" if error.filename is None else os.fsdecode(error.filename)
            return OutputError(f"cannot read or write {place}: {error.strerror}")
    return None


def _report(parser: ArgumentParser, text: str, *, debug: bool) -> None:
    word = _in_red("error:") if sys.stderr.isatty() else "error:"
    _say(parser, f"{word} {message(text, _LONGEST_MESSAGE)}", debug=debug)


def _say(parser: ArgumentParser, text: str, *, debug: bool) -> None:
    # Standard error may be full as well.
    with suppress(OSError):
        if debug:
            traceback.print_exc()
        print(f"{parser.prog}: {text}", file=sys.stderr)


def _in_red(word: str) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return word if plain else f"\x1b[1;31m{word}\x1b[0m"


def unwind_on_signals() -> Callable[[], int | None]:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that temporary files are removed.

    Returns:
        the exit code of the signal that has come, if one has: code in between may turn what it
        raises into an error of its own.
    """
    code: int | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal code
        code = INTERRUPTED if number == signal.SIGINT else TERMINATED
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(TERMINATED)

    signal.signal(signal.SIGTERM, stop)
    # Where it is ignored, as in a shell's background jobs, it stays so.
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, stop)
    return lambda: code
