"""What the measuring subcommands do with their options: plan, measure, print."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mobilevit_edge.console import INTERRUPTED, progress
from mobilevit_edge.errors import OutputError, UsageError

if TYPE_CHECKING:
    from benchmarks.harness.plan import Group, MeasurementPlan
    from benchmarks.output.table import Table
    from mobilevit_edge.formats.report import Run

_SEED: Final = 0
"""Seed of the order in which candidates take turns."""


def plan_of(
    arguments: Namespace,
    groups: Sequence[Group],
    *,
    cold_starts: bool = False,
    profile: bool = False,
) -> MeasurementPlan:
    """Groups of candidates, measured as the options ask.

    Raises:
        UsageError: this machine has no such core.
    """
    from benchmarks.harness.plan import MeasurementPlan

    return MeasurementPlan(
        groups=tuple(groups),
        processes=arguments.processes,
        seconds=arguments.seconds,
        seed=_SEED,
        core=_core_of(arguments),
        max_noise=arguments.max_noise,
        cold_starts=cold_starts,
        profile=profile,
    )


def _core_of(arguments: Namespace) -> int | None:
    from benchmarks.harness.machine import default_core

    core: int | None = arguments.core
    if core is None:
        return default_core()
    if core >= (os.cpu_count() or 1):
        raise UsageError(f"--core {core}: this machine has {os.cpu_count()} cores, from 0")
    return core


def measure(plan: MeasurementPlan, output: Path | None, *, resume: bool) -> Run:
    """Carry out a plan; ``output`` holds the report at every moment.

    Raises:
        OutputError: ``output`` exists and is not to be continued, or cannot be written.
        ReportError: the report to continue is not valid.
        UsageError: it was begun by another plan.
    """
    from benchmarks.harness.engine import Environment, run_plan
    from mobilevit_edge.formats.report import SCHEMA_VERSION, Report, read_report, write_report

    previous = None
    if output is not None and output.exists():
        if not resume:
            raise OutputError(f"{output} exists: name another --output, or continue with --resume")
        (previous, *others) = read_report(output).runs
        if others:
            raise UsageError(f"{output} holds several runs: --resume continues only a single one")

    def save(run: Run) -> None:
        if output is not None:
            write_report(Report(SCHEMA_VERSION, (run,)), output)

    try:
        with progress() as show:
            return run_plan(plan, Environment(save, show), previous)
    except KeyboardInterrupt:
        if output is None or not output.exists():
            raise
        message = f"interrupted; {output} holds what was measured, --resume continues from there"
        print(f"mobilevit-bench: error: {message}", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


def print_run(
    arguments: Namespace,
    run: Run,
    summary: Callable[[Run], dict[str, Any]],
    tables: Callable[[Run], Sequence[Table]],
) -> None:
    """A run as one JSON object with ``--json``, else as tables with the report's warnings."""
    print_runs(arguments, [run], summary, tables)


def print_runs(
    arguments: Namespace,
    runs: Sequence[Run],
    summary: Callable[[Run], dict[str, Any]],
    tables: Callable[[Run], Sequence[Table]],
) -> None:
    """As :func:`print_run`; one JSON object of several runs has them under ``runs``."""
    if arguments.json:
        summaries = [summary(run) for run in runs]
        content = summaries[0] if len(runs) == 1 else {"runs": summaries}
        print(json.dumps({"report": str(arguments.output), **content}))
        return
    from benchmarks.output.summaries import print_tables

    for run in runs:
        print_tables(tables(run), run, arguments.output)
