"""Quality flags of samples, with their reasons, and which series a reader should use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.analysis.statistics import noise
from mobilevit_edge.formats.report import Calm, Flag, LatencyRow, Series

if TYPE_CHECKING:
    from benchmarks.harness.parent import WorkerResult
    from benchmarks.harness.plan import MeasurementPlan

_MAX_BASELINE_NOISE: Final = 0.10
_MAX_CLOCK_CHANGE: Final = 0.05
_MAX_SWITCHES_PER_SECOND: Final = 10
_MIN_SWITCHES: Final = 10


def baseline_flags(baseline: Calm | None) -> tuple[Flag, ...]:
    """A flag if the machine was busy before the start: the same work took different times."""
    if baseline is None or not baseline.spins_ns:
        return ()
    slow, fast = np.quantile(baseline.spins_ns, 0.9), min(baseline.spins_ns)
    spread = float(slow / fast - 1)
    if spread <= _MAX_BASELINE_NOISE:
        return ()
    reason = f"before the start, the same work took up to {spread:.0%} longer than its fastest"
    return (Flag("busy_machine", reason),)


def process_flags(
    plan: MeasurementPlan, result: WorkerResult, row_ids: Sequence[str]
) -> tuple[tuple[Flag, ...], ...]:
    """Flags of each row's series in one process, in the order of its sources."""
    common = [*_affinity_flags(plan, result), *_clock_flags(result), *_switch_flags(result)]
    if not result.complete:
        common.append(Flag("interrupted", "the process ended early"))
    elif plan.max_noise is not None:
        # The whole process counts as noisy: rows are compared round by round.
        shares = [noise([samples]) for samples in result.samples]
        worst = int(np.argmax(shares))
        if 100 * shares[worst] > plan.max_noise:
            reason = (
                f"{row_ids[worst]} spreads {shares[worst]:.1%}, allowed is {plan.max_noise:g} %"
            )
            common.append(Flag("noisy", reason[:200]))
    return tuple(
        (*common, Flag("threads_not_in_effect", f"{threads} threads instead of one"))
        if threads not in (1, None)
        else tuple(common)
        for threads in result.events["warm_up"]["threads"]
    )


def usable_series(row: LatencyRow) -> tuple[Series, ...]:
    """The series to use: complete and quiet ones; if there are none, complete ones; else all."""
    sampled = [series for series in row.series if series.samples_ns]
    complete = [s for s in sampled if not _kinds(s) & {"interrupted", "crashed"}]
    quiet = [s for s in complete if "noisy" not in _kinds(s)]
    return tuple(quiet or complete or sampled)


def _kinds(series: Series) -> set[str]:
    return {flag.kind for flag in series.flags}


def _affinity_flags(plan: MeasurementPlan, result: WorkerResult) -> list[Flag]:
    in_effect = result.events["ready"]["affinity"]
    if in_effect is None:
        return [Flag("affinity_not_in_effect", "this system cannot pin a process to a core")]
    if plan.core is not None and list(in_effect) != [plan.core]:
        cores = ", ".join(map(str, in_effect[:20]))
        return [Flag("affinity_not_in_effect", f"asked for core {plan.core}, runs on {cores}")]
    return []


def _clock_flags(result: WorkerResult) -> list[Flag]:
    before = result.events["ready"]["state"]["clock_mhz"]
    after = result.events.get("done", {}).get("state", {}).get("clock_mhz")
    if before is None or after is None or abs(after / before - 1) <= _MAX_CLOCK_CHANGE:
        return []
    return [Flag("clock_changed", f"{before:.0f} MHz before, {after:.0f} MHz after")]


def _switch_flags(result: WorkerResult) -> list[Flag]:
    # Every timed call has an untimed one before it.
    seconds = 2 * sum(sum(samples) for samples in result.samples) / 1e9
    switches = result.switches or 0
    if switches <= max(_MIN_SWITCHES, _MAX_SWITCHES_PER_SECOND * seconds):
        return []
    reason = f"other programs took the core {switches} times in {seconds:.1f} s"
    return [Flag("busy_machine", reason)]
