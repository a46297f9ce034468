"""What figures show, as plain data; the page decides where to draw it."""

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
class Curve:
    """Points of (x, milliseconds)."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """Milliseconds against something, both axes logarithmic."""

    title: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class ScatterPoint:
    """A row to choose: ``x`` milliseconds, ``y`` percent; ``label`` is its model."""

    name: str
    label: str
    x: float
    y: float
    on_pareto_front: bool
