"""What ``mobilevit-bench models`` shows: which model for which budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from benchmarks.analysis.comparison import summarize_row
from benchmarks.analysis.statistics import Summary
from benchmarks.output.charts import Chart, Curve, ScatterPoint
from benchmarks.output.summaries import (
    latency_rows,
    median_of,
    plus_minus,
    row_summary,
    series_of,
)
from benchmarks.output.table import Table
from mobilevit_edge.formats.report import LatencyRow, Run
from mobilevit_edge.specs import SPECS, Published

_MEGA: Final = 1e6
_PUBLISHED_SIZE: Final = (256, 256)
_OF_HEADS: Final = ("output stride", "mask", "boxes")
"""Attributes of rows with a head, which tell them apart."""
PUBLISHED: Final = "published"
MEASURED: Final = "measured"
_MODEL_COLUMNS: Final = (
    "row",
    "median",
    "95 %",
    "p90",
    "noise",
    "M MAC",
    "file",
    "cold start",
    "peak memory",
    "top-1",
)


@dataclass(frozen=True)
class Choice:
    """A row with an accuracy, to choose from.

    Attributes:
        row_id: of the report.
        model: its name.
        series: what ran it.
        median_ms: latency of a call with one image.
        low_ms: lower end of its interval.
        high_ms: upper end of its interval.
        top1: percent.
        source: ``published``, ImageNet-1k by the authors; ``measured``, by the artifact itself.
        on_pareto_front: no other choice is both faster and more accurate.
    """

    row_id: str
    model: str
    series: str
    median_ms: float
    low_ms: float
    high_ms: float
    top1: float
    source: str
    on_pareto_front: bool


@dataclass(frozen=True)
class Scaling:
    """Latency of one model against the size of its input.

    Attributes:
        name: model, target, precision, and what is held fixed.
        axis: ``pixels`` or ``images``.
        points: (pixels or images, summary), ascending.
    """

    name: str
    axis: str
    points: tuple[tuple[int, Summary], ...]

    @property
    def exponent(self) -> float:
        """The e of latency = c x^e, by least squares over all points."""
        x = np.log([x for x, _ in self.points])
        y = np.log([summary.median for _, summary in self.points])
        return float(np.polyfit(x, y, 1)[0])


def published_of(row: LatencyRow) -> Published | None:
    """The authors' figures, if the row is what they measured: fp32 at 256x256."""
    about = row.subject
    if about.precision != "fp32" or about.image_size != _PUBLISHED_SIZE:
        return None
    spec = SPECS.get(about.model or "")
    return spec.published if spec else None


def choices(rows: Sequence[LatencyRow]) -> tuple[Choice, ...]:
    """All rows with an accuracy and one image per call, fastest first.

    Accuracies measured on one's own images and published ones do not compare: where any row has a
    measured one, only measured ones count.
    """
    source = MEASURED if any(row.subject.top1 for row in rows) else PUBLISHED
    found = []
    for row in rows:
        summary, top1 = summarize_row(row), _top1(row, source)
        if summary is not None and top1 is not None and row.subject.batch == 1:
            found.append((summary, top1, row))
    found.sort(key=lambda item: item[0].median)
    highest_top1 = -1.0
    chosen = []
    for summary, top1, row in found:
        chosen.append(
            Choice(
                row.id,
                row.subject.model or row.id,
                series_of(row),
                summary.median / _MEGA,
                summary.low / _MEGA,
                summary.high / _MEGA,
                top1,
                source,
                on_pareto_front=top1 > highest_top1,
            )
        )
        highest_top1 = max(highest_top1, top1)
    return tuple(chosen)


def within_budget(candidates: Sequence[Choice], budget_ms: float) -> Choice | None:
    """The most accurate choice whose whole interval lies within the budget."""
    fitting = [choice for choice in candidates if choice.high_ms <= budget_ms]
    return max(fitting, key=lambda choice: (choice.top1, -choice.median_ms), default=None)


def scalings(rows: Sequence[LatencyRow]) -> tuple[Scaling, ...]:
    """Every model whose image size or batch varies, while the other is held fixed."""
    found = []
    for axis in ("pixels", "images"):
        series: dict[tuple[object, ...], list[tuple[int, Summary]]] = {}
        for row in rows:
            about, summary = row.subject, summarize_row(row)
            if summary is None or about.image_size is None or about.batch is None:
                continue
            pixels = about.image_size[0] * about.image_size[1]
            x, fixed = (pixels, about.batch) if axis == "pixels" else (about.batch, pixels)
            head = (
                f"{name} {about.attributes[name]}" for name in _OF_HEADS if name in about.attributes
            )
            key = (about.model, *head, about.target, about.precision, fixed)
            series.setdefault(key, []).append((x, summary))
        for (*names, fixed_value), points in series.items():
            # 192x320 and 320x192 have as many pixels: nothing grows between them.
            if len({x for x, _ in points}) > 1:
                at = f"batch {fixed_value}" if axis == "pixels" else f"{fixed_value} pixels"
                name = f"{' '.join(map(str, names))}, {at}"
                ascending = tuple(sorted(points, key=lambda point: point[0]))
                found.append(Scaling(name, axis, ascending))
    return tuple(found)


def models_tables(run: Run, budget_ms: float | None = None) -> tuple[Table, ...]:
    """All rows, those to choose from, and how latency scales where sizes or batches vary."""
    rows = latency_rows(run)
    found = [_models_table(run, rows)]
    candidates = choices(rows)
    if len(candidates) > 1:
        found.append(_choices_table(candidates, budget_ms))
    found += [_scaling_table(scaling) for scaling in scalings(rows)]
    return tuple(found)


def scaling_charts(run: Run) -> tuple[Chart, ...]:
    """Medians against image size, and against batch, where they vary."""
    found = scalings(latency_rows(run))
    charts = []
    for axis in dict.fromkeys(scaling.axis for scaling in found):
        curves = tuple(
            Curve(s.name, tuple((x, summary.median / _MEGA) for x, summary in s.points))
            for s in found
            if s.axis == axis
        )
        charts.append(Chart(f"Medians against the number of {axis}", axis, curves))
    return tuple(charts)


def accuracy_scatter(run: Run) -> tuple[ScatterPoint, ...]:
    """Accuracy against latency of every row to choose."""
    return tuple(
        ScatterPoint(c.model, c.series, c.low_ms, c.median_ms, c.high_ms, c.top1, c.on_pareto_front)
        for c in choices(latency_rows(run))
    )


def models_summary(run: Run, budget_ms: float | None = None) -> dict[str, Any]:
    """The same as plain data."""
    rows = latency_rows(run)
    candidates = choices(rows)
    chosen = None if budget_ms is None else within_budget(candidates, budget_ms)
    return {
        "rows": [row_summary(row) for row in rows],
        "choices": [
            {"id": c.row_id, "median_ms": c.median_ms, "top1": c.top1, "best": c.on_pareto_front}
            for c in candidates
        ],
        "accuracy": candidates[0].source if candidates else None,
        "within_budget": chosen.row_id if chosen else None,
        "growth": [
            {
                "series": scaling.name,
                "axis": scaling.axis,
                "median_ns": {str(x): summary.median for x, summary in scaling.points},
                "exponent": scaling.exponent,
            }
            for scaling in scalings(rows)
        ],
    }


def _top1(row: LatencyRow, source: str) -> float | None:
    if source == MEASURED:
        return row.subject.top1.percent if row.subject.top1 else None
    published = published_of(row)
    return published.top1 if published else None


def _models_table(run: Run, rows: Sequence[LatencyRow]) -> Table:
    return Table(
        title=f"{run.device.processor}, one thread; milliseconds, megabytes",
        columns=_MODEL_COLUMNS,
        rows=tuple(_model_cells(row) for row in rows),
        caption="M MAC: millions of multiply-adds of the model; top-1: the authors' on ImageNet-1k "
        "at 256x256 in fp32, unless measured; cold start: load and first inference; peak memory: "
        "the process with Python and the runtime",
    )


def _model_cells(row: LatencyRow) -> tuple[str, ...]:
    about, summary = row.subject, summarize_row(row)
    if summary is None:
        missing = len(_MODEL_COLUMNS) - 2
        return (row.id, "not run" if row.not_run else "no samples", *["-"] * missing)
    load, first = (median_of(row.cold_starts, n) for n in ("load_ns", "first_inference_ns"))
    peak = median_of(row.cold_starts, "peak_memory_bytes")
    published = published_of(row)
    top1 = f"{published.top1:.1f}" if published else "-"
    return (
        row.id,
        f"{summary.median / _MEGA:.2f}",
        plus_minus(summary),
        f"{summary.p90 / _MEGA:.2f}",
        f"{summary.noise:.1%}",
        f"{about.macs / _MEGA:.0f}" if about.macs else "-",
        f"{about.artifact.bytes / _MEGA:.1f}" if about.artifact else "-",
        "-" if load is None or first is None else f"{(load + first) / _MEGA:.0f}",
        "-" if peak is None else f"{peak / _MEGA:.0f}",
        f"{about.top1.percent:.1f} measured" if about.top1 else top1,
    )


def _choices_table(candidates: Sequence[Choice], budget_ms: float | None) -> Table:
    chosen = None if budget_ms is None else within_budget(candidates, budget_ms)
    caption = "Pareto front: nothing here is both faster and more accurate"
    if budget_ms is not None:
        answer = f"{chosen.row_id}, {chosen.top1:.1f} %" if chosen else "nothing here"
        caption = f"within {budget_ms:g} ms with its whole interval: {answer}; {caption}"
    return Table(
        title=f"Accuracy against latency, {candidates[0].source} top-1",
        columns=("row", "median (ms)", "top-1 (%)", ""),
        rows=tuple(
            (
                choice.row_id,
                f"{choice.median_ms:.2f}",
                f"{choice.top1:.1f}",
                "chosen" if choice is chosen else "Pareto front" if choice.on_pareto_front else "",
            )
            for choice in candidates
        ),
        caption=caption,
    )


def _scaling_table(scaling: Scaling) -> Table:
    axis = scaling.axis
    rate, unit = ("ns per pixel", 1.0) if axis == "pixels" else ("ms per image", _MEGA)
    return Table(
        title=f"{scaling.name}: latency grows as {axis}^{scaling.exponent:.2f}",
        columns=(axis, "median (ms)", rate),
        rows=tuple(
            (f"{x:,}", f"{summary.median / _MEGA:.2f}", f"{summary.median / x / unit:.1f}")
            for x, summary in scaling.points
        ),
    )
