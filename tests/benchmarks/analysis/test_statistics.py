"""Statistics on hand-computed samples, and the laws that they obey."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.analysis.statistics import (
    Ratio,
    mad,
    median_interval,
    noise,
    outliers,
    paired_ratio,
    summarize,
    unpaired_ratio,
)

SAMPLES = st.lists(st.integers(1, 10**9), min_size=1, max_size=40)
PROCESSES = st.lists(SAMPLES, min_size=1, max_size=4)


def test_a_summary_of_known_samples() -> None:
    summary = summarize([[4, 1, 3], [2, 5]])
    assert (summary.count, summary.processes) == (5, 2)
    assert (summary.median, summary.minimum) == (3, 1)
    assert summary.p90 == pytest.approx(4.6)  # between the 4th and 5th of five
    assert 1 <= summary.low <= 3 <= summary.high <= 5


def test_the_median_of_an_even_count_lies_between_the_middle_two() -> None:
    assert summarize([[1, 2, 3, 10]]).median == 2.5


def test_one_sample_is_its_own_summary() -> None:
    summary = summarize([[7]])
    assert (summary.median, summary.p90, summary.minimum) == (7, 7, 7)
    assert (summary.low, summary.high, summary.noise, summary.outliers) == (7, 7, 0, 0)


def test_constant_samples_have_no_spread() -> None:
    summary = summarize([[5] * 10, [5] * 3])
    assert (summary.low, summary.high, summary.noise, summary.outliers) == (5, 5, 0, 0)


@pytest.mark.parametrize("empty", [[], [[]], [[], []]])
def test_nothing_has_no_summary(empty: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="no sample"):
        summarize(empty)


def test_mad_of_known_samples() -> None:
    assert mad([1, 1, 2, 2, 4, 6, 9]) == 1  # the textbook example
    assert mad([5, 5, 5, 100]) == 0


def test_outliers_by_the_modified_z_score() -> None:
    # Median 10, MAD 1: 3.5 scores are 5.19.
    assert outliers([9, 10, 11, 9, 10, 11, 15, 16, 4]).nonzero()[0].tolist() == [7, 8]


def test_outliers_where_the_mad_is_zero() -> None:
    # Mean deviation 90 / 100; 1.2533 * 0.9 * 3.5 = 3.9.
    assert outliers([5] * 99 + [95]).sum() == 1
    assert outliers([5] * 99).sum() == 0


def test_noise_is_the_larger_of_spread_within_and_between_processes() -> None:
    assert noise([[100] * 5, [103] * 5, [101] * 5]) == pytest.approx(0.03 / 1.01)
    assert noise([[9, 10, 11]] * 3) == pytest.approx(0.14826)


def test_the_interval_of_the_median_counts_the_variance_between_processes() -> None:
    rng = np.random.default_rng(1)
    processes = [level + rng.normal(0, 1, 200) for level in (100, 110, 120)]
    low, high = median_interval(processes)
    pooled_low, pooled_high = median_interval([np.concatenate(processes)[rng.permutation(600)]])
    assert high - low > 2 * (pooled_high - pooled_low)


def test_a_ratio_of_known_samples() -> None:
    # Logarithms of the processes' medians: ln 2, ln 2, ln 4; their mean is 4/3 ln 2.
    a, b = [[2, 2], [4, 4], [4, 4]], [[1, 1], [2, 2], [1, 1]]
    ratio = paired_ratio(a, b)
    assert ratio.value == pytest.approx(2 ** (4 / 3))
    deviation = math.log(2) / math.sqrt(3)  # of (1, 1, 2) ln 2
    half_width = 4.303 * deviation / math.sqrt(3)
    assert ratio.low == pytest.approx(math.exp(4 / 3 * math.log(2) - half_width))
    assert ratio.high == pytest.approx(math.exp(4 / 3 * math.log(2) + half_width))
    assert (ratio.rounds, ratio.processes, ratio.between_processes) == (6, 3, True)


def test_what_depends_on_the_order_of_loading_cancels_in_pairs_of_processes() -> None:
    # What is loaded first takes 2 % longer; processes take turns in that.
    a = [[102] * 8, [100] * 8] * 3
    b = [[100] * 8, [102] * 8] * 3
    ratio = paired_ratio(a, b)
    assert ratio.value == pytest.approx(1)
    assert ratio.high / ratio.low < 1.03
    assert paired_ratio(a[:5], b[:5]).high / paired_ratio(a[:5], b[:5]).low > 1.04


def test_a_ratio_is_taken_round_by_round() -> None:
    # Both slow down threefold on the way; every round says 2.
    b = [10, 20, 30] * 20
    ratio = paired_ratio([[2 * x for x in b]] * 3, [b] * 3)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2, 2, 2))


def test_agreeing_medians_of_processes_do_not_hide_the_spread_within() -> None:
    rng = np.random.default_rng(0)
    part = np.exp(rng.normal(0, 0.1, 100)) * 1e6
    ratio = paired_ratio([part] * 3, [[1e6] * 100] * 3)
    assert ratio.high / ratio.low > 1.01


@pytest.mark.parametrize("count", [1, 2])
def test_few_processes_leave_the_spread_between_them_open(count: int) -> None:
    rng = np.random.default_rng(0)
    a = [rng.normal(1e6, 1e4, 80) for _ in range(count)]
    ratio = paired_ratio(a, [[1e6] * 80] * count)
    assert not ratio.between_processes
    assert 0.99 < ratio.low < ratio.value < ratio.high < 1.01


def test_one_round_says_nothing() -> None:
    ratio = paired_ratio([[2000]], [[1000]])
    assert (ratio.low, ratio.high) == (0, math.inf)
    assert ratio.verdict == "no difference"


def test_a_process_that_was_stopped_may_lack_its_last_sample() -> None:
    assert paired_ratio([[4, 4, 4], [4]], [[2, 2], []]).rounds == 2
    with pytest.raises(ValueError, match="no round"):
        paired_ratio([[1]], [[]])


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.90, 0.85, 0.95, "faster"),
        (1.10, 1.05, 1.15, "slower"),
        (1.10, 0.99, 1.20, "no difference"),
        (1.10, 1.00, 1.20, "no difference"),
        (1.10, 1.005, 1.20, "no difference"),
        (1.10, 1.0051, 1.20, "slower"),
        (0.90, 0.80, 0.9951, "no difference"),
        (0.90, 0.80, 0.9949, "faster"),
    ],
)
def test_verdicts(value: float, low: float, high: float, verdict: str) -> None:
    assert Ratio(value, low, high, 100, 3, True).verdict == verdict


def test_unpaired_ratios_need_no_common_rounds() -> None:
    ratio = unpaired_ratio([[200] * 10] * 3, [[100] * 7] * 4)
    assert (ratio.value, ratio.verdict) == (pytest.approx(2), "slower")
    assert (ratio.rounds, ratio.processes) == (58, 3)


def test_unpaired_intervals_hold_the_spread_of_both_sides() -> None:
    steady, loose = [[100] * 9] * 3, [[98] * 9, [100] * 9, [102] * 9]
    one = unpaired_ratio(steady, loose)
    both = unpaired_ratio(loose, loose)
    assert math.log(both.high / both.low) == pytest.approx(
        math.sqrt(2) * math.log(one.high / one.low)
    )


@settings(max_examples=8, deadline=None)
@given(PROCESSES, st.integers(2, 1000))
def test_scaling_the_samples_scales_the_summary(processes: list[list[int]], factor: int) -> None:
    one = summarize(processes)
    other = summarize([[factor * x for x in part] for part in processes])
    assert other.noise == pytest.approx(one.noise)
    for name in ("median", "p90", "minimum", "low", "high"):
        assert getattr(other, name) == pytest.approx(factor * getattr(one, name))


@settings(max_examples=100, deadline=None)
@given(SAMPLES, st.randoms())
def test_what_does_not_depend_on_the_order(samples: list[int], random: object) -> None:
    shuffled = list(samples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert mad(shuffled) == mad(samples)
    assert outliers(shuffled).sum() == outliers(samples).sum()
    assert noise([shuffled]) == noise([samples])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.tuples(*[st.integers(1, 10**6)] * 2), min_size=2), min_size=1))
def test_exchanging_the_sides_inverts_the_ratio(pairs: list[list[tuple[int, int]]]) -> None:
    a, b = ([[pair[i] for pair in part] for part in pairs] for i in (0, 1))
    one, other = paired_ratio(a, b), paired_ratio(b, a)
    assert one.value * other.value == pytest.approx(1)
    assert one.low * other.high == pytest.approx(1)
    words = {"faster": "slower", "slower": "faster"}
    assert other.verdict == words.get(one.verdict, one.verdict)


@settings(max_examples=50, deadline=None)
@given(PROCESSES)
def test_a_thing_does_not_differ_from_itself(processes: list[list[int]]) -> None:
    ratio = paired_ratio(processes, processes)
    assert (ratio.value, ratio.verdict) == (1, "no difference")
