"""What the checks of the two apps share: steps, failures, the cache, the command line."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mobilevit_edge.errors import MobileViTEdgeError, ToolchainError
from mobilevit_edge.files import folder_transaction
from tools.command import tool_parser

ROOT: Final = Path(__file__).resolve().parents[1]
_STAMP: Final = "made-of.txt"
_SECONDS: Final = 600
_MAX_SHOWN: Final = 200


class CheckError(MobileViTEdgeError):
    """The code or a test is wrong; the step that found it has printed why."""


class NotCheckedError(MobileViTEdgeError):
    """A tool that the check needs cannot be had."""

    exit_code = 4


def check_parser(description: str | None, cache: Path) -> ArgumentParser:
    """The options of a check, which keeps its tools in ``cache`` unless told otherwise."""
    parser = tool_parser(description)
    parser.add_argument(
        "cache",
        type=Path,
        nargs="?",
        default=cache,
        metavar="CACHE",
        help=f"where to keep the tools (default {cache})",
    )
    return parser


def cache_folder(name: str) -> Path:
    """``mobilevit-edge/NAME`` in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "mobilevit-edge" / name


def require_programs(names: Sequence[str]) -> None:
    """Raises :class:`ToolchainError` for the first program that is not installed."""
    for name in names:
        if shutil.which(name) is None:
            raise ToolchainError(f"{name} is not installed")


def is_made_of(cache: Path, parts: str) -> bool:
    """Whether a cache is complete, and of these parts."""
    stamp = cache / _STAMP
    return stamp.is_file() and stamp.read_text() == parts


@contextmanager
def filling(cache: Path, parts: str) -> Iterator[Path]:
    """A fresh folder to fill, which takes the place of an older cache in one step.

    Raises:
        OutputError: something else is at ``cache``; it is untouched.
    """
    with folder_transaction(cache, lambda folder: (folder / _STAMP).is_file()) as fresh:
        yield fresh
        (fresh / _STAMP).write_text(parts)


@contextmanager
def required_tools() -> Iterator[None]:
    """Turn the failure to get a tool into :class:`NotCheckedError`."""
    try:
        yield
    except ToolchainError as error:
        raise NotCheckedError(f"not checked: {error}") from error


def run_step(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
    """Run a step from the repository's root; what it prints is shown.

    Args:
        command: the program and its arguments.
        environment: instead of this process's own.

    Raises:
        CheckError: it fails or takes too long.
        ToolchainError: the program is not installed.
    """
    try:
        subprocess.run(  # noqa: S603  a command of ours
            command, cwd=ROOT, env=environment, check=True, timeout=_SECONDS
        )
    except FileNotFoundError as error:
        raise ToolchainError(f"{command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise CheckError(f"exit code {error.returncode} from: {_text(command)}") from error
    except subprocess.TimeoutExpired as error:
        raise CheckError(f"no end after {_SECONDS} s: {_text(command)}") from error


def _text(command: Sequence[str | Path]) -> str:
    return shlex.join(map(str, command))[:_MAX_SHOWN]


def run_module(name: str, *arguments: str | Path) -> None:
    """Run a Python module of this repository as a step."""
    run_step([sys.executable, "-m", name, *arguments])


def show_step(text: str) -> None:
    """Say on stderr what begins."""
    print(text, file=sys.stderr, flush=True)
