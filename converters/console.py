"""What both commands share: exit codes, progress, messages, one object on stdout with --json."""

from __future__ import annotations

import signal
import sys
import traceback
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Final

from mobilevit_edge.errors import MissingPackageError, MobileViTEdgeError

INTERRUPTED: Final = 130
TERMINATED: Final = 143
_UNEXPECTED: Final = 1
_PACKAGES: Final = ("mobilevit_edge", "converters")


def add_common_arguments(parser: ArgumentParser) -> None:
    """``--json`` and ``--debug``."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on stdout, all else on stderr"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of a failure")


def run_command(
    parser: ArgumentParser, command: Callable[[Namespace], None], argv: Sequence[str] | None
) -> int:
    """Parse, run, and turn any failure into one message and its exit code."""
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        _check_one_installation()
        command(arguments)
    except MobileViTEdgeError as error:
        _report(parser, str(error), debug=arguments.debug)
        return error.exit_code
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        if name in _PACKAGES:
            raise
        _report(parser, str(MissingPackageError(name, "all")), debug=arguments.debug)
        return MissingPackageError.exit_code
    except KeyboardInterrupt:
        _report(parser, "interrupted; nothing was written", debug=arguments.debug)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: that is its right.
        sys.stderr.close()
        return 0
    except Exception as error:
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
    """A function that shows the running step on a terminal's stderr; silent when piped."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield status.update


def _report(parser: ArgumentParser, message: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(f"{parser.prog}: error: {message}", file=sys.stderr)


def _terminate(number: int, frame: FrameType | None) -> None:
    # Unwinds the stack, so that temporary folders go.
    raise SystemExit(TERMINATED)


def _check_one_installation() -> None:
    """``converters`` is a common name: make sure that it is ours.

    Raises:
        MobileViTEdgeError: the packages come from different places.
    """
    homes = {}
    for name in _PACKAGES:
        spec = find_spec(name)
        origin = spec.origin if spec else None
        homes[name] = Path(origin).resolve().parent.parent if origin else None
    if len(set(homes.values())) != 1:
        places = ", ".join(f"{name} from {home}" for name, home in homes.items())
        raise MobileViTEdgeError(
            f"the packages of mobilevit-edge come from different places ({places}): another "
            f"package of the same name hides ours; install mobilevit-edge into a fresh environment"
        )
