"""Figures of a report as SVG that stands in a page: drawn by Matplotlib, colored by the page.

Matplotlib, since it draws axes, legends and whiskers that are right for any data, is kept, and
leaves text as text. Vega-Lite would need its scripts, half a megabyte, to run in every page.

Each figure is drawn twice, for wide and for narrow screens, at the size at which it will be seen:
text that shrinks with its figure cannot be read on a phone.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.output.charts import Bar, Chart, SampleStrip, ScatterPoint
from mobilevit_edge.printable import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, NARROW = 760, 350
"""Pixels."""
MOST_BARS: Final = 12
_INK, _DIM, _LINE, _ALARM = "#010101", "#020202", "#030303", "#040404"
_SERIES: Final = tuple(f"#0a0a0{index}" for index in range(6))
_COLORS: Final[Mapping[str, str]] = {
    _INK: "var(--ink)",
    _DIM: "var(--dim)",
    _LINE: "var(--line)",
    _ALARM: "var(--alarm)",
} | {color: f"var(--s{index})" for index, color in enumerate(_SERIES)}
"""What stands for the page's colors, which change with its theme."""
_MARKERS: Final = "os^DvP"
_POINTS_PER_INCH: Final = 72
_LONGEST: Final = 44
_LABEL_GAP: Final = 14
_LABEL_ROOM: Final = 120
_LEGEND_LINE: Final = 18
_EDGE, _BELOW, _BESIDE = 14, 46, 60
"""Pixels around a plot: where nothing stands, for the lower axis, for a left one."""


@dataclass(frozen=True)
class Figures:
    """One picture at both widths, as SVG; ``title`` says what it shows."""

    title: str
    wide: str
    narrow: str


def bars_figure(bars: Sequence[Bar]) -> Figures | None:
    """Medians with their intervals; ``None`` where there are none, or more than can be seen."""
    if not 1 < len(bars) <= MOST_BARS:
        return None
    styles = _styles([bar.series for bar in bars])

    def draw(axes: Axes, width: int) -> None:
        for index, bar in enumerate(bars):
            color, _ = styles[bar.series]
            whiskers = [[bar.median - bar.low], [bar.high - bar.median]]
            axes.barh(index, bar.median, height=0.42, color=color)
            axes.errorbar(bar.median, index, xerr=whiskers, color=_INK, capsize=3, lw=1.2)
            text = f"{_short(bar.name)}  {bar.median:.3g} ms"
            axes.annotate(text, (0, index), (0, 9), textcoords="offset points", va="bottom")
        axes.set_ylim(len(bars) - 0.5, -0.75)
        axes.set_yticks([])
        axes.set_xlim(0, max(bar.high for bar in bars) * 1.05)
        _ticks(axes.xaxis, *axes.get_xlim())
        axes.set_xlabel("median latency (ms), with its 95 % interval")
        _legend(axes, styles, width, marks=False)

    return _drawn(
        "Median latency of every row",
        draw,
        lambda width: 60 + 44 * len(bars),
        left=_EDGE,
        legend=list(styles),
    )


def scatter_figure(points: Sequence[ScatterPoint]) -> Figures | None:
    """Accuracy against latency; ``None`` for fewer than two: there is nothing to choose."""
    if len(points) < 2:
        return None
    styles = _styles([point.series for point in points])

    def draw(axes: Axes, width: int) -> None:
        low, high = min(p.low for p in points), max(p.high for p in points)
        _latency_axis(axes, low, high, room=_LABEL_ROOM / width)
        bottom, top = min(p.y for p in points), max(p.y for p in points)
        margin = max(0.5, (top - bottom) * 0.08)
        axes.set_ylim(bottom - margin, top + margin)
        _ticks(axes.yaxis, *axes.get_ylim())
        front = [point for point in points if point.on_pareto_front]
        axes.plot([p.x for p in front], [p.y for p in front], color=_DIM, ls="--", lw=1, zorder=1)
        for point in points:
            color, marker = styles[point.series]
            whiskers = [[point.x - point.low], [point.high - point.x]]
            axes.errorbar(
                *(point.x, point.y),
                xerr=whiskers,
                color=color,
                marker=marker,
                ms=7 if point.on_pareto_front else 4.5,
                mfc=color if point.on_pareto_front else "none",
                capsize=2,
                lw=1,
            )
        _name_front(axes, front)
        axes.set_xlabel("median latency (ms), with its 95 % interval")
        axes.set_ylabel("top-1 accuracy (%)")
        _legend(axes, styles, width)

    return _drawn(
        "Accuracy against latency",
        draw,
        lambda width: 420 if width == WIDE else 370,
        left=_BESIDE,
        legend=list(styles),
    )


def chart_figure(chart: Chart) -> Figures:
    """Curves on two logarithmic axes."""
    styles = _styles([curve.name for curve in chart.curves])
    xs = [x for curve in chart.curves for x, _ in curve.points]
    ys = [y for curve in chart.curves for _, y in curve.points]

    def draw(axes: Axes, width: int) -> None:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(min(xs) / 1.1, max(xs) * 1.1)
        axes.set_ylim(min(ys) / 1.2, max(ys) * 1.2)
        _ticks(axes.xaxis, *axes.get_xlim())
        _ticks(axes.yaxis, *axes.get_ylim())
        for curve in chart.curves:
            color, marker = styles[curve.name]
            x, y = zip(*curve.points, strict=True)
            axes.plot(x, y, color=color, marker=marker, ms=5, lw=1.8, gid="curve")
        axes.set_xlabel(f"{chart.x_name} (logarithmic)")
        axes.set_ylabel("median latency (ms, logarithmic)")
        _legend(axes, styles, width)

    return _drawn(chart.title, draw, lambda width: 370, left=_BESIDE, legend=list(styles))


def strips_figure(strips: Sequence[SampleStrip]) -> Figures | None:
    """Samples of every row on one axis of milliseconds; ``None`` if nothing was measured."""
    if not strips:
        return None
    # Outliers may be far out: the axis ends where most samples do, and they are drawn at its end.
    marked = [pair for strip in strips for pair in zip(strip.samples, strip.outlier, strict=True)]
    low = min(sample for sample, _ in marked)
    usual = [sample for sample, outlier in marked if not outlier]
    high = max(max(usual, default=low), max(strip.high for strip in strips))

    def draw(axes: Axes, width: int) -> None:
        _latency_axis(axes, low, high)
        end = axes.get_xlim()[1]
        for index, strip in enumerate(strips):
            pairs = list(zip(strip.samples, strip.outlier, strict=True))
            inside = [min(sample, end) for sample, outlier in pairs if not outlier]
            out = [min(sample, end) for sample, outlier in pairs if outlier]
            axes.plot(inside, [index] * len(inside), "o", ms=4, color=_SERIES[0], alpha=0.35)
            axes.plot(out, [index] * len(out), "o", ms=4.5, mfc="none", color=_ALARM, clip_on=False)
            axes.plot([strip.low, strip.high], [index] * 2, lw=4, color=_INK, alpha=0.6)
            axes.plot([strip.median], [index], "|", ms=13, mew=2, color=_INK)
            text = f"{_short(strip.name)}  {strip.median:.3g} ({strip.low:.3g} to {strip.high:.3g})"
            place = (0, index)
            axes.annotate(
                text,
                place,
                (0, 7),
                xycoords=axes.get_yaxis_transform(),
                textcoords="offset points",
                va="bottom",
            )
        axes.set_ylim(len(strips) - 0.5, -0.75)
        axes.set_yticks([])
        axes.set_xlabel("latency (ms): samples, median and its 95 % interval")

    return _drawn("Samples of every row", draw, lambda width: 60 + 36 * len(strips), left=_EDGE)


def _drawn(
    title: str,
    draw: Callable[[Axes, int], None],
    height: Callable[[int], int],
    *,
    left: int,
    legend: Sequence[str] = (),
) -> Figures:
    """A figure at both widths, with ``left`` pixels beside it and room for its legend above."""
    wide, narrow = (
        _svg(title, draw, (width, height(width)), left, _rows(legend, width))
        for width in (WIDE, NARROW)
    )
    return Figures(title, wide, narrow)


def _svg(
    title: str, draw: Callable[[Axes, int], None], size: tuple[int, int], left: int, legend: int
) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    width, plot = size
    height = plot + _LEGEND_LINE * legend
    settings: dict[str, Any] = {
        "axes.edgecolor": _LINE,
        "axes.labelcolor": _DIM,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 11,
        "svg.fonttype": "none",
        # The same page for the same report, and no two figures with the same names inside.
        "svg.hashsalt": f"{title} {width}",
        "text.color": _INK,
        # Names come from reports of strangers.
        "text.parse_math": False,
        "xtick.color": _DIM,
        "ytick.color": _DIM,
    }
    inches = (width / _POINTS_PER_INCH, height / _POINTS_PER_INCH)
    with mpl.rc_context(settings), warnings.catch_warnings():
        # The page's font has what Matplotlib's may lack.
        warnings.filterwarnings("ignore", message="Glyph")
        figure: Figure = Figure(figsize=inches, dpi=_POINTS_PER_INCH)
        # By hand: Matplotlib's own layouts draw everything several times.
        figure.subplots_adjust(
            left=left / width,
            right=1 - _EDGE / width,
            bottom=_BELOW / height,
            top=1 - (_EDGE + _LEGEND_LINE * legend) / height,
        )
        axes = figure.add_subplot()
        axes.grid(visible=True, axis="x", color=_LINE, lw=0.8)
        axes.set_axisbelow(True)
        draw(axes, width)
        return _for_page(_saved(figure), title, width, height)


def _saved(figure: Figure) -> str:
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    return stream.getvalue()


def _for_page(svg: str, title: str, width: int, height: int) -> str:
    """The element alone, with the page's colors and font, and a name for who cannot see it."""
    inside = svg[svg.index(">", svg.index("<svg")) + 1 :]
    inside = re.sub(r"<metadata>.*?</metadata>", "", inside, flags=re.DOTALL)
    inside = re.sub(r"font-family: [^;\"]*;? ?", "", inside)
    inside = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", inside)
    for sentinel, color in _COLORS.items():
        inside = inside.replace(sentinel, color)
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{title}">{inside}'


def _styles(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """A color and a marker for each name, in order."""
    return {
        name: (_SERIES[index % len(_SERIES)], _MARKERS[index % len(_MARKERS)])
        for index, name in enumerate(dict.fromkeys(names))
    }


def _legend(
    axes: Axes, styles: Mapping[str, tuple[str, str]], width: int, *, marks: bool = True
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], color=color, marker=marker, ls="", label=_short(name))
        if marks
        else Patch(color=color, label=_short(name))
        for name, (color, marker) in styles.items()
    ]
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=_columns(list(styles), width),
        frameon=False,
        handletextpad=0.4,
    )


def _columns(names: Sequence[str], width: int) -> int:
    """Of a legend."""
    longest = max(len(_short(name)) for name in names)
    return max(1, min(len(names), width // (7 * longest + 40)))


def _rows(names: Sequence[str], width: int) -> int:
    return -(-len(names) // _columns(names, width)) if names else 0


def _latency_axis(axes: Axes, low: float, high: float, room: float = 0.0) -> None:
    """Logarithmic where it spans much; ``room`` is the share kept free at its left end."""
    gap = (high - low) * 0.03 or high * 0.03 or 1.0
    if high > 3 * low > 0:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.05 / (high / low) ** (room / (1 - room)), high * 1.05)
    else:
        axes.set_xlim(low - gap - (high - low) * room / (1 - room), high + gap)
    _ticks(axes.xaxis, *axes.get_xlim())


def _ticks(axis: Any, low: float, high: float) -> None:
    """At least three round numbers, on a logarithmic axis too."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

    places: list[float] = []
    if axis.get_scale() == "log":
        for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
            values = [digit * 10.0**power for power in range(-9, 10) for digit in digits]
            places = [value for value in values if low <= value <= high]
            if len(places) >= 3:
                break
    for bins in (5, 8, 12):
        if len(places) < 3:
            steps = MaxNLocator(bins, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
            places = [float(value) for value in steps if low <= value <= high]
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:,.6g}")


def _name_front(axes: Axes, front: Sequence[ScatterPoint]) -> None:
    """Names to the left of their points, kept off each other and below the legend."""
    rising = sorted(front, key=lambda point: point.y)
    heights = [float(axes.transData.transform((point.x, point.y))[1]) for point in rising]
    places: list[float] = []
    for height in heights:
        places.append(max(height, places[-1] + _LABEL_GAP) if places else height)
    highest = float(axes.bbox.ymax)
    for index in reversed(range(len(places))):
        places[index] = min(places[index], highest)
        highest = places[index] - _LABEL_GAP
    for point, height, place in zip(rising, heights, places, strict=True):
        axes.annotate(
            _short(point.label),
            (point.x, point.y),
            (-9, place - height),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=10,
        )


def _short(name: str) -> str:
    plain = one_line(name)
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…"
