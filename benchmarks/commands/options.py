"""Options that subcommands share, and what they do with them."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobilevit_edge.console import INTERRUPTED, progress
from mobilevit_edge.errors import OutputError, UsageError

if TYPE_CHECKING:
    from benchmarks.harness.plan import Group, Plan
    from mobilevit_edge.formats.report import Run

_MAX_PROCESSES = 100
_MAX_SECONDS = 3600
_SEED = 0
"""Of the order in which candidates take turns."""


def add_measuring_arguments(parser: ArgumentParser, *, processes: int, seconds: float) -> None:
    """``--processes``, ``--seconds``, ``--core``, ``--max-noise``."""
    parser.add_argument(
        "--processes",
        type=_processes,
        default=processes,
        metavar="N",
        help=f"processes to measure in, one after another (default {processes})",
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=seconds,
        metavar="S",
        help=f"of measuring for each model in each process (default {seconds:g})",
    )
    parser.add_argument(
        "--core",
        type=_core,
        metavar="N",
        help="the core to measure on; default: the last that this process may use",
    )
    parser.add_argument(
        "--max-noise",
        type=_percent,
        metavar="PERCENT",
        help="repeat a process whose samples spread more than this, up to twice as many processes",
    )


def add_report_arguments(parser: ArgumentParser, default: str) -> None:
    """``--output`` and ``--resume``."""
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(default),
        metavar="FILE",
        help=f"the report, with every sample (default {default})",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with a run that was interrupted"
    )


def add_artifacts_argument(parser: ArgumentParser) -> None:
    """``--artifacts``."""
    parser.add_argument(
        "--artifacts",
        type=Path,
        default=Path("bench-artifacts"),
        metavar="DIR",
        help="where to make what is measured; what is there already is used again "
        "(default bench-artifacts)",
    )


def _core_of(arguments: Namespace) -> int | None:
    """The core to measure on.

    Raises:
        UsageError: there is no such core.
    """
    import os

    from benchmarks.harness.machine import default_core

    if arguments.core is None:
        return default_core()
    if arguments.core >= (os.cpu_count() or 1):
        raise UsageError(
            f"--core {arguments.core}: this machine has {os.cpu_count()} cores, from 0"
        )
    core: int = arguments.core
    return core


def measure(plan: Plan, output: Path | None, *, resume: bool) -> Run:
    """Carry out a plan; ``output`` holds the report at every moment.

    Raises:
        OutputError: there is such a file, and it is not to be continued; or it cannot be written.
        ReportError: the report to go on with is not valid.
        UsageError: it was begun by another plan.
    """
    from benchmarks.harness.engine import Surroundings, run_plan
    from mobilevit_edge.formats.report import SCHEMA_VERSION, Report, read_report, write_report

    previous = None
    if output is not None and output.exists():
        if not resume:
            raise OutputError(f"{output} exists: name another --output, or go on with --resume")
        (previous, *others) = read_report(output).runs
        if others:
            raise UsageError(f"{output} holds several runs: --resume goes on with a single one")

    def save(run: Run) -> None:
        if output is not None:
            write_report(Report(SCHEMA_VERSION, (run,)), output)

    try:
        with progress() as show:
            return run_plan(plan, Surroundings(save, show), previous)
    except KeyboardInterrupt:
        if output is None or not output.exists():
            raise
        message = f"interrupted; {output} holds what was measured, --resume goes on from there"
        print(f"mobilevit-bench: error: {message}", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


def plan_of(
    arguments: Namespace,
    groups: Sequence[Group],
    *,
    cold_starts: bool = False,
    profile: bool = False,
) -> Plan:
    """Groups of candidates, measured as the options say.

    Raises:
        UsageError: there is no such core.
    """
    from benchmarks.harness.plan import Plan

    return Plan(
        groups=tuple(groups),
        processes=arguments.processes,
        seconds=arguments.seconds,
        seed=_SEED,
        core=_core_of(arguments),
        max_noise=arguments.max_noise,
        cold_starts=cold_starts,
        profile=profile,
    )


def model_name(text: str) -> str:
    """A value of ``--model``."""
    from mobilevit_edge.specs import SPECS

    if text not in SPECS:
        raise ArgumentTypeError(f"{text!r} is no model; choose from {', '.join(SPECS)}")
    return text


def image_size(text: str) -> tuple[int, int]:
    """A value of ``--image-size``: (height, width)."""
    from mobilevit_edge.preprocess import parse_image_size

    try:
        return parse_image_size(text)
    except UsageError as error:
        raise ArgumentTypeError(str(error)) from error


def batch_size(text: str) -> int:
    """A value of ``--batch``."""
    return _whole(text, 1, 64)


def milliseconds(text: str) -> float:
    """A value of ``--budget-ms``."""
    value = _number(text)
    if value <= 0:
        raise ArgumentTypeError(f"{text!r} is not a number of milliseconds")
    return value


def _whole(text: str, least: int, most: int) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not least <= int(text) <= most:
        raise ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
    return int(text)


def _processes(text: str) -> int:
    return _whole(text, 1, _MAX_PROCESSES)


def _core(text: str) -> int:
    return _whole(text, 0, 4095)


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) else -1.0


def _seconds(text: str) -> float:
    value = _number(text)
    if not 0 < value <= _MAX_SECONDS:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds up to {_MAX_SECONDS}")
    return value


def _percent(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 100:
        raise ArgumentTypeError(f"{text!r} is not a percentage up to 100")
    return value
