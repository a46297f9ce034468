"""What samples say: summaries of one row, and whether two rows differ.

Two rows are compared by the logarithms of their ratios, round by round, so that drift which both
share cancels. Consecutive rounds resemble each other, and every process has its own luck with
addresses and caches, so rounds are not independent samples: an interval that assumes so calls two
runs of one thing different in half of all trials (``tools/studies/coverage.py`` shows it). The
medians of whole processes are independent, and so the interval is Student's, over them. Where there
are fewer than three processes it is taken over long blocks of rounds instead, which says nothing
about the next process; :attr:`Ratio.between_processes` tells the two apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Array: TypeAlias = npt.NDArray[Any]
Samples: TypeAlias = Sequence[int] | Array
Verdict: TypeAlias = Literal["faster", "slower", "no difference"]

MARGIN: Final = 0.005
"""How far beyond 1 the whole interval must lie before a difference is called one. An interval of
95 % misses 1 in one of twenty trials without a difference; with this margin it is one of a hundred.
"""
_MIN_PROCESSES: Final = 3
_BLOCKS: Final = 4
"""Blocks of rounds in a process, where processes bring the independence."""
_LONE_BLOCKS: Final = 8
"""Blocks of rounds in a process, where they take the place of too few processes."""
_BOOTSTRAP: Final = 500
_BOOTSTRAP_BLOCKS: Final = 16
_SEED: Final = 0
_OUTLIER_SCORE: Final = 3.5
_MAD_TO_SD: Final = 1.4826
_MEAN_DEVIATION_TO_SD: Final = 1.2533
# Student's t, 97.5 %, for 1, 2, ... degrees of freedom.
_T: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@dataclass(frozen=True)
class Summary:
    """One row in nanoseconds; ``low`` to ``high`` is the 95 % interval of the median."""

    count: int
    processes: int
    median: float
    p90: float
    minimum: float
    low: float
    high: float
    noise: float
    """See :func:`noise`; a share, not percent."""
    outliers: int


@dataclass(frozen=True)
class Ratio:
    """How many times longer A takes than B, and the 95 % interval of that.

    With too few rounds for an interval it reaches from zero to infinity.
    """

    value: float
    low: float
    high: float
    rounds: int
    processes: int
    between_processes: bool
    """Whether the interval covers the difference from one process to the next."""

    @property
    def verdict(self) -> Verdict:
        """How A compares with B; differences within ``MARGIN`` do not count."""
        if self.high < 1 / (1 + MARGIN):
            return "faster"
        return "slower" if self.low > 1 + MARGIN else "no difference"


def summarize(processes: Sequence[Samples]) -> Summary:
    """One row from the samples of each of its processes.

    Raises:
        ValueError: there is no sample.
    """
    parts = _parts(processes)
    pooled = np.concatenate(parts)
    low, high = median_interval(parts)
    return Summary(
        count=pooled.size,
        processes=len(parts),
        median=float(np.median(pooled)),
        p90=float(np.quantile(pooled, 0.9)),
        minimum=float(pooled.min()),
        low=low,
        high=high,
        noise=noise(parts),
        outliers=sum(int(outliers(part).sum()) for part in parts),
    )


def median_interval(processes: Sequence[Samples]) -> tuple[float, float]:
    """95 % interval of the median, by a hierarchical bootstrap.

    Processes are drawn first, then blocks of consecutive rounds within each, so that variance
    between processes and slow drift both count. With one process only the blocks are left; with one
    sample the interval is that sample.
    """
    parts = _parts(processes)
    blocks = [_blocks_of(part) for part in parts]
    rng = np.random.default_rng(_SEED)
    medians = np.empty(_BOOTSTRAP)
    for i in range(_BOOTSTRAP):
        drawn = rng.integers(0, len(parts), len(parts))
        medians[i] = _median(np.concatenate([_draw(parts[p], blocks[p], rng) for p in drawn]))
    low, high = np.quantile(medians, (0.025, 0.975))
    return float(low), float(high)


def _blocks_of(samples: Array) -> Array:
    """Every block of consecutive samples, by its beginning; the end joins the beginning."""
    length = -(-samples.size // _BOOTSTRAP_BLOCKS)
    # [samples + length - 1] -> [samples, length]
    return sliding_window_view(np.concatenate([samples, samples[: length - 1]]), length)


def _draw(samples: Array, blocks: Array, rng: np.random.Generator) -> Array:
    """As many samples again, in blocks drawn from anywhere."""
    starts = rng.integers(0, samples.size, -(-samples.size // blocks.shape[1]))
    # [blocks, length] -> [samples]
    drawn: Array = blocks[starts].ravel()[: samples.size]
    return drawn


def _median(values: Array) -> float:
    """What ``np.median`` gives for finite numbers, which takes longer to look at them."""
    upper = values.size // 2
    lower = upper - 1 + values.size % 2
    parted = np.partition(values, (lower, upper))
    return float(parted[lower] + parted[upper]) / 2


def noise(processes: Sequence[Samples]) -> float:
    """How unsteady a row is, as a share of its median.

    The larger of two: the spread within a process (MAD, scaled to a standard deviation), at its
    median over the processes; and the distance from the fastest process's median to the slowest's.
    """
    parts = _parts(processes)
    medians = np.array([np.median(part) for part in parts])
    center = float(np.median(medians))
    if center == 0:
        return 0.0
    within = float(np.median([_MAD_TO_SD * mad(part) / center for part in parts]))
    return max(within, float(medians.max() - medians.min()) / center)


def mad(samples: Samples) -> float:
    """Median absolute deviation from the median."""
    values = np.asarray(samples, dtype=np.float64)
    return float(np.median(np.abs(values - np.median(values))))


def outliers(samples: Samples) -> npt.NDArray[np.bool_]:
    """Marks samples with a modified z-score above 3.5 (Iglewicz and Hoaglin 1993, volume 16).

    Marks only: nothing is dropped. Where more than half the samples are equal, so that the MAD is
    zero, the mean absolute deviation takes its place; equal samples have no outlier.
    """
    values = np.asarray(samples, dtype=np.float64)
    deviations = np.abs(values - np.median(values))
    scale = _MAD_TO_SD * mad(values) or _MEAN_DEVIATION_TO_SD * float(deviations.mean())
    if scale == 0:
        return np.zeros(values.size, dtype=np.bool_)
    marks: npt.NDArray[np.bool_] = deviations / scale > _OUTLIER_SCORE
    return marks


def paired_ratio(a: Sequence[Samples], b: Sequence[Samples]) -> Ratio:
    """A / B, from interleaved processes: sample i of both belongs to round i.

    Args:
        a: samples of A in each process.
        b: samples of B in the same processes. A process that was stopped between the two may have
            one sample more of A.

    Raises:
        ValueError: not the same processes, or no common round.
    """
    rounds = [
        np.log(np.asarray(x[:n], dtype=np.float64)) - np.log(np.asarray(y[:n], dtype=np.float64))
        for x, y in zip(a, b, strict=True)
        if (n := min(len(x), len(y))) > 0
    ]
    if not rounds:
        raise ValueError("no round has a sample of both")
    center, half_width, between = _student(rounds)
    return _ratio(center, half_width, between, sum(part.size for part in rounds), len(rounds))


def unpaired_ratio(a: Sequence[Samples], b: Sequence[Samples]) -> Ratio:
    """A / B, from two separate runs: what changed on the machine in between is not covered.

    Raises:
        ValueError: there is no sample.
    """
    sides = [[np.log(part) for part in _parts(side)] for side in (a, b)]
    (center_a, width_a, between_a), (center_b, width_b, between_b) = map(_student, sides)
    return _ratio(
        center_a - center_b,
        math.hypot(width_a, width_b),
        between_a and between_b,
        sum(part.size for side in sides for part in side),
        min(len(side) for side in sides),
    )


def _student(parts: Sequence[Array]) -> tuple[float, float, bool]:
    """Mean of the processes' medians, half its interval's width, and whether that is theirs.

    Six processes or more count as pairs.

    Three medians may agree by chance, so the interval over processes is never narrower than the one
    over blocks of rounds.
    """
    medians = np.array([np.median(part) for part in parts])
    between = len(parts) >= _MIN_PROCESSES
    blocks = _BLOCKS if between else _LONE_BLOCKS
    batches = [
        # Where processes bring the independence, blocks show only the spread within them.
        float(np.median(block)) - (float(np.median(part)) if between else 0.0)
        for part in parts
        for block in np.array_split(part, min(blocks, part.size))
    ]
    widths = [_half_width(np.array(batches))]
    if between:
        widths.append(_half_width(_pair_means(medians)))
    return float(medians.mean()), max(widths), between


def _pair_means(medians: Array) -> Array:
    """Means of two processes each, where enough are left.

    The engine reverses the order of loading from one process to the next, so that its effect
    cancels in a pair.
    """
    if medians.size < 2 * _MIN_PROCESSES:
        return medians
    return np.array([medians[i : i + 2].mean() for i in range(0, medians.size, 2)])


def _half_width(values: Array) -> float:
    freedom = values.size - 1
    if freedom < 1:
        return math.inf
    t = _T[freedom - 1] if freedom <= len(_T) else 1.96 + 2.4 / freedom
    return float(t * values.std(ddof=1) / math.sqrt(values.size))


def _ratio(center: float, half_width: float, between: bool, rounds: int, processes: int) -> Ratio:
    return Ratio(
        value=math.exp(center),
        low=math.exp(center - half_width),
        high=math.exp(center + half_width) if half_width < 700 else math.inf,
        rounds=rounds,
        processes=processes,
        between_processes=between,
    )


def _parts(processes: Sequence[Samples]) -> list[Array]:
    parts = [np.asarray(part, dtype=np.float64) for part in processes if len(part) > 0]
    if not parts:
        raise ValueError("there are no samples")
    return parts
