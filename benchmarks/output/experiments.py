"""How the rows of each experiment are shown; a new experiment is one entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.output.arm import arm_tables
from benchmarks.output.attention import attention_charts, attention_tables, is_attention_row
from benchmarks.output.blocks import blocks_tables, is_block_row
from benchmarks.output.charts import Bar, Chart, ScatterPoint
from benchmarks.output.headline import doubts, headline
from benchmarks.output.models import accuracy_scatter, models_tables, scaling_charts
from benchmarks.output.npu import npu_tables
from benchmarks.output.run import run_tables
from benchmarks.output.summaries import latency_bars
from benchmarks.output.table import Table
from benchmarks.workloads import attention, blocks, models
from mobilevit_edge.formats.report import LatencyRow, Run


@dataclass(frozen=True)
class Experiment:
    """Tables and figures of a run that holds the rows of one experiment only.

    ``fits`` tells whether a row has what they read: reports come from strangers.
    """

    tables: Callable[[Run], tuple[Table, ...]]
    fits: Callable[[LatencyRow], bool] = lambda row: True
    headline: Callable[[Run, float | None], tuple[str, ...]] = lambda run, budget_ms: doubts(run)
    bars: Callable[[Run], tuple[Bar, ...]] = lambda run: ()
    charts: Callable[[Run], tuple[Chart, ...]] = lambda run: ()
    scatter: Callable[[Run], tuple[ScatterPoint, ...]] = lambda run: ()


_EXPERIMENTS: Final = {
    attention.EXPERIMENT: Experiment(attention_tables, is_attention_row, charts=attention_charts),
    blocks.EXPERIMENT: Experiment(blocks_tables, is_block_row),
    models.EXPERIMENT: Experiment(
        models_tables,
        headline=headline,
        bars=latency_bars,
        charts=scaling_charts,
        scatter=accuracy_scatter,
    ),
}
OTHER: Final = Experiment(run_tables, headline=headline, bars=latency_bars)
"""Bundles by name, measured here or on a phone, and rows that do not fit their experiment."""
INSTRUCTION_COUNTS: Final = Experiment(arm_tables)
SIMULATIONS: Final = Experiment(npu_tables)


def experiment_of(name: str) -> Experiment:
    """How the latency rows of an experiment are shown."""
    return _EXPERIMENTS.get(name, OTHER)
