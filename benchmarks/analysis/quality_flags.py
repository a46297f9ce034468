"""When to doubt figures: flags with reasons, and which series a reader should go by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.analysis.statistics import noise
from mobilevit_edge.formats.report import Calm, Flag, LatencyRow, Series

if TYPE_CHECKING:
    from benchmarks.harness.parent import Outcome
    from benchmarks.harness.plan import Plan

_MAX_SPIN_SPREAD: Final = 0.10
_MAX_CLOCK_CHANGE: Final = 0.05
_MAX_SWITCHES_PER_SECOND: Final = 10
_MIN_SWITCHES: Final = 10


def calm_flags(calm: Calm | None) -> tuple[Flag, ...]:
    """A busy machine: the same work takes now this long, now that."""
    if calm is None or not calm.spins_ns:
        return ()
    slow, fast = np.quantile(calm.spins_ns, 0.9), min(calm.spins_ns)
    spread = float(slow / fast - 1)
    if spread <= _MAX_SPIN_SPREAD:
        return ()
    reason = f"before the start, the same work took up to {spread:.0%} longer than its fastest"
    return (Flag("busy_machine", reason),)


def process_flags(
    plan: Plan, outcome: Outcome, row_ids: Sequence[str]
) -> tuple[tuple[Flag, ...], ...]:
    """Flags of each row's series in one process, by the order of its sources."""
    common = [*_affinity_flags(plan, outcome), *_clock_flags(outcome), *_switch_flags(outcome)]
    if not outcome.complete:
        common.append(Flag("interrupted", "the process was stopped before its time"))
    elif plan.max_noise is not None:
        # The whole process counts as noisy: rows are compared round by round.
        shares = [noise([samples]) for samples in outcome.samples]
        worst = int(np.argmax(shares))
        if 100 * shares[worst] > plan.max_noise:
            reason = f"{row_ids[worst]} spreads {shares[worst]:.1%}, asked for {plan.max_noise:g} %"
            common.append(Flag("noisy", reason[:200]))
    return tuple(
        (*common, Flag("threads_not_in_effect", f"{threads} threads instead of one"))
        if threads not in (1, None)
        else tuple(common)
        for threads in outcome.events["warm_up"]["threads"]
    )


def usable_series(row: LatencyRow) -> tuple[Series, ...]:
    """The series to go by: whole and quiet ones; without such the whole ones; else all."""
    sampled = [series for series in row.series if series.samples_ns]
    whole = [s for s in sampled if not _kinds(s) & {"interrupted", "crashed"}]
    quiet = [s for s in whole if "noisy" not in _kinds(s)]
    return tuple(quiet or whole or sampled)


def _kinds(series: Series) -> set[str]:
    return {flag.kind for flag in series.flags}


def _affinity_flags(plan: Plan, outcome: Outcome) -> list[Flag]:
    in_effect = outcome.events["ready"]["affinity"]
    if in_effect is None:
        return [Flag("affinity_not_in_effect", "this system does not pin a process to a core")]
    if plan.core is not None and list(in_effect) != [plan.core]:
        cores = ", ".join(map(str, in_effect[:20]))
        return [Flag("affinity_not_in_effect", f"core {plan.core} asked for, on {cores}")]
    return []


def _clock_flags(outcome: Outcome) -> list[Flag]:
    before = outcome.events["ready"]["state"]["clock_mhz"]
    after = outcome.events.get("done", {}).get("state", {}).get("clock_mhz")
    if before is None or after is None or abs(after / before - 1) <= _MAX_CLOCK_CHANGE:
        return []
    return [Flag("clock_changed", f"{before:.0f} MHz before, {after:.0f} MHz after")]


def _switch_flags(outcome: Outcome) -> list[Flag]:
    # Every timed call has an untimed one before it.
    seconds = 2 * sum(sum(samples) for samples in outcome.samples) / 1e9
    switches = outcome.switches or 0
    if switches <= max(_MIN_SWITCHES, _MAX_SWITCHES_PER_SECOND * seconds):
        return []
    reason = f"other programs took the core {switches} times in {seconds:.1f} s"
    return [Flag("busy_machine", reason)]
