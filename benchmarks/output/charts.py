"""What figures show, as plain data; the page decides how to draw it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SampleStrip:
    """The samples of one row in milliseconds; ``outlier`` marks those with unusual values."""

    name: str
    samples: tuple[float, ...]
    outlier: tuple[bool, ...]
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Bar:
    """A row's median with its interval, in milliseconds; ``series`` is what ran it."""

    name: str
    series: str
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Curve:
    """Points of (x, milliseconds)."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """Milliseconds against ``x_name``, both axes logarithmic."""

    title: str
    x_name: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class ScatterPoint:
    """A row to choose: median and interval in milliseconds, ``y`` percent.

    ``label`` is its model, ``series`` what ran it.
    """

    label: str
    series: str
    low: float
    x: float
    high: float
    y: float
    on_pareto_front: bool
