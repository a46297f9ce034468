"""Measuring from Python: as ``mobilevit-bench run``, in the same processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

from benchmarks.harness.engine import Environment, run_plan
from benchmarks.harness.machine import default_core
from benchmarks.harness.plan import MeasurementPlan
from benchmarks.workloads.bundles import bundle_group
from mobilevit_edge.formats.report import Run

EXPERIMENT = "run"


def measure_bundles(
    bundles: Sequence[str | PathLike[str]],
    *,
    processes: int = 3,
    seconds: float = 10.0,
    core: int | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Run:
    """Measure bundles in turn on one core, as ``mobilevit-bench run`` does.

    Args:
        bundles: folders of ``mobilevit-export``.
        processes: to measure in, one after another.
        seconds: of measuring for each bundle in each process.
        core: to measure on; by default the last that this process may use.
        progress: called with each step as it begins.

    Returns:
        every sample: ``rows``, one for each bundle, with what was pinned and what to doubt.
        :func:`benchmarks.summarize_row` and :func:`benchmarks.compare_in_run` read them.

    Raises:
        BundleError: one of them is not a bundle.
    """
    plan = MeasurementPlan(
        groups=(bundle_group([Path(bundle) for bundle in bundles], EXPERIMENT),),
        processes=processes,
        seconds=seconds,
        seed=0,
        core=default_core() if core is None else core,
        max_noise=None,
        cold_starts=True,
        profile=False,
    )
    return run_plan(plan, Environment(lambda run: None, progress))
