"""Where the marks of a figure are, in units of its view box; the page's template draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.output.charts import Chart, SampleStrip, ScatterPoint

WIDTH = 720.0
_LEFT, _RIGHT = 210.0, 20.0
_ROW = 26.0
_AXIS = 34.0
_TOP = 16.0
_PLOT_HEIGHT = 380.0
_PLOT_BOTTOM = _PLOT_HEIGHT - _AXIS
_PLOT_LEFT, _NAMES = 60.0, 250.0
_LABELS = 120.0
_LINE = 14.0
_GAP = 1.06


@dataclass(frozen=True)
class Tick:
    """A mark of an axis with its text."""

    at: float
    text: str


@dataclass(frozen=True)
class StripMarks:
    """One row of a strip figure: samples as (x, is an outlier), and its interval."""

    name: str
    y: float
    samples: tuple[tuple[float, bool], ...]
    low: float
    median: float
    high: float
    text: str


@dataclass(frozen=True)
class StripsFigure:
    """Samples of every row on one axis of milliseconds."""

    height: float
    rows: tuple[StripMarks, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class CurveMarks:
    """One curve as points, and the height of its name."""

    name: str
    points: tuple[tuple[float, float], ...]
    label_y: float


@dataclass(frozen=True)
class ChartFigure:
    """Latency against something, both logarithmic."""

    title: str
    height: float
    curves: tuple[CurveMarks, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class ScatterMark:
    """A row to choose; only the Pareto front shows labels, at ``label_y`` to the left."""

    name: str
    label: str
    x: float
    y: float
    on_pareto_front: bool
    label_y: float


@dataclass(frozen=True)
class ScatterFigure:
    """Accuracy against latency; ``front`` joins the points of the Pareto front."""

    height: float
    points: tuple[ScatterMark, ...]
    front: tuple[tuple[float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def strips_figure(strips: Sequence[SampleStrip]) -> StripsFigure | None:
    """``None`` if nothing was measured."""
    if not strips:
        return None
    low = min(min(strip.samples) for strip in strips)
    # Outliers may be far out: the axis ends where most samples do, and they are drawn at its end.
    marked = [pair for strip in strips for pair in zip(strip.samples, strip.outlier, strict=True)]
    usual = [sample for sample, outlier in marked if not outlier]
    high = max(max(usual, default=low), max(strip.high for strip in strips))
    logarithmic = high > 20 * low > 0
    axis = _Axis(low / _GAP, high * _GAP, _LEFT, WIDTH - _RIGHT, logarithmic=logarithmic)
    rows = tuple(
        StripMarks(
            name=strip.name,
            y=_TOP + _ROW * (index + 0.5),
            samples=tuple(
                (axis.at(sample), outlier)
                for sample, outlier in zip(strip.samples, strip.outlier, strict=True)
            ),
            low=axis.at(strip.low),
            median=axis.at(strip.median),
            high=axis.at(strip.high),
            text=f"{strip.name}: median {strip.median:.3f} ms, "
            f"95 % interval {strip.low:.3f} to {strip.high:.3f}",
        )
        for index, strip in enumerate(strips)
    )
    return StripsFigure(_TOP + _ROW * len(strips) + _AXIS, rows, axis.ticks("ms"))


def chart_figure(chart: Chart) -> ChartFigure:
    """Curves with their names beside their last points."""
    xs = [x for curve in chart.curves for x, _ in curve.points]
    ys = [y for curve in chart.curves for _, y in curve.points]
    x_axis = _Axis(min(xs), max(xs) * _GAP, _PLOT_LEFT, WIDTH - _NAMES, logarithmic=True)
    y_axis = _Axis(min(ys) / _GAP, max(ys) * _GAP, _PLOT_BOTTOM, _TOP, logarithmic=True)
    marks: list[CurveMarks] = []
    for curve in sorted(chart.curves, key=lambda curve: curve.points[-1][1]):
        points = tuple((x_axis.at(x), y_axis.at(y)) for x, y in curve.points)
        # One above the other where curves meet.
        label = min([points[-1][1], *(mark.label_y - _LINE for mark in marks)])
        marks.append(CurveMarks(curve.name, points, label))
    places = sorted(set(xs))
    x_ticks = tuple(Tick(x_axis.at(x), f"{x:,.0f}") for x in places[:: max(1, len(places) // 5)])
    return ChartFigure(chart.title, _PLOT_HEIGHT, tuple(marks), x_ticks, y_axis.ticks("ms"))


def scatter_figure(points: Sequence[ScatterPoint]) -> ScatterFigure | None:
    """``None`` for fewer than two: there is nothing to choose."""
    if len(points) < 2:
        return None
    xs, ys = [point.x for point in points], [point.y for point in points]
    x_axis = _Axis(
        min(xs) / _GAP, max(xs) * _GAP, _PLOT_LEFT + _LABELS, WIDTH - _RIGHT, logarithmic=True
    )
    y_axis = _Axis(min(ys) - 1, max(ys) + 1, _PLOT_BOTTOM, _TOP, logarithmic=False)
    marks: list[ScatterMark] = []
    taken = _PLOT_BOTTOM
    for point in sorted(points, key=lambda point: point.y):
        x, y = x_axis.at(point.x), y_axis.at(point.y)
        # Above and to the left of the front there are only labels; keep them off each other.
        label_y = min(y, taken - _LINE) if point.on_pareto_front else y
        taken = label_y if point.on_pareto_front else taken
        marks.append(ScatterMark(point.name, point.label, x, y, point.on_pareto_front, label_y))
    front = tuple((mark.x, mark.y) for mark in marks if mark.on_pareto_front)
    x_ticks, y_ticks = x_axis.ticks("ms"), y_axis.ticks("%")
    return ScatterFigure(_PLOT_HEIGHT, tuple(marks), front, x_ticks, y_ticks)


class _Axis:
    """Maps values to coordinates."""

    def __init__(
        self, low: float, high: float, start: float, end: float, *, logarithmic: bool
    ) -> None:
        self._logarithmic = logarithmic
        self._low, self._high = self._scaled(low), self._scaled(high)
        self._start, self._end = start, end

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-9)) if self._logarithmic else value

    def at(self, value: float) -> float:
        """The coordinate of a value; beyond the ends, the end."""
        span = self._high - self._low or 1.0
        share = min(1.0, max(0.0, (self._scaled(value) - self._low) / span))
        return round(self._start + share * (self._end - self._start), 2)

    def ticks(self, unit: str) -> tuple[Tick, ...]:
        """Round values within the ends."""
        if self._logarithmic:
            exponents = range(math.floor(self._low), math.ceil(self._high) + 1)
            values = [digit * 10.0**e for e in exponents for digit in (1, 2, 5)]
        else:
            step = _round_step((self._high - self._low) / 5)
            first = math.ceil(self._low / step)
            values = [step * (first + i) for i in range(8)]
        inside = [v for v in values if self._low <= self._scaled(v) <= self._high]
        return tuple(Tick(self.at(v), f"{v:.6g} {unit}") for v in inside)


def _round_step(about: float) -> float:
    """1, 2 or 5 times a power of ten, at least ``about``."""
    power = 10.0 ** math.floor(math.log10(about)) if about > 0 else 1.0
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= about)
