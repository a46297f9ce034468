"""What the commands share: exit codes, progress, messages, one object on stdout with --json."""

from __future__ import annotations

import io
import signal
import sys
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

from mobilevit_edge.errors import OPTIONAL_PACKAGES, MissingPackageError, MobileViTEdgeError

INTERRUPTED: Final = 130
TERMINATED: Final = 143
_UNEXPECTED: Final = 1


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
    arguments = parser.parse_args(argv)
    stop_on_sigterm()
    for stream in (sys.stdout, sys.stderr):
        # Labels may hold characters that a pipe's encoding lacks.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        command(arguments)
    except MobileViTEdgeError as error:
        _report(parser, str(error), debug=arguments.debug)
        return error.exit_code
    except KeyboardInterrupt:
        _report(parser, "interrupted; nothing was written", debug=arguments.debug)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has closed it, which is not an error.
        sys.stderr.close()
        return 0
    except Exception as error:
        missing = _missing_package(error)
        if missing is not None:
            _report(parser, str(missing), debug=arguments.debug)
            return missing.exit_code
        _report(
            parser,
            f"unexpected {type(error).__name__}: {error} (a defect of this program; "
            f"run again with --debug and report what it prints)",
            debug=arguments.debug,
        )
        return _UNEXPECTED
    return 0


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A function that shows the current step on a terminal's stderr; silent when piped."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield status.update


def _missing_package(error: Exception) -> MissingPackageError | None:
    """The error to report where an optional package could not be imported.

    Any other module that is missing is a defect of this program.
    """
    if not isinstance(error, ModuleNotFoundError):
        return None
    package = (error.name or "").partition(".")[0]
    return MissingPackageError(package) if package in OPTIONAL_PACKAGES else None


def _report(parser: ArgumentParser, message: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(f"{parser.prog}: error: {message}", file=sys.stderr)


def stop_on_sigterm() -> None:
    """Let SIGTERM unwind the stack, so that temporary files and folders are removed."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(TERMINATED)

    signal.signal(signal.SIGTERM, stop)
