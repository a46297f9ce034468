from __future__ import annotations

import pytest
import torch

from converters.precision.ranges import CLIPPING_COST, LEVELS, Histogram, pixel_range


def weighted_error(values: torch.Tensor, low: float, high: float) -> float:
    step = (high - low) / LEVELS
    inside = values.clamp(low, high)
    rounded = ((inside / step).round() * step).clamp(low, high)
    clipped = (values - inside).square().mean()
    return float(CLIPPING_COST * clipped + (inside - rounded).square().mean())


def test_values_of_even_spread_keep_their_whole_range() -> None:
    histogram = Histogram()
    histogram.add(torch.linspace(-2, 6, 20_001))
    low, high = histogram.best_range()
    # One step of the search over shares of each side, 2 %.
    assert low == pytest.approx(-2, abs=0.05)
    assert high == pytest.approx(6, abs=0.15)


def test_the_search_is_near_the_best_of_all_ranges() -> None:
    values = torch.randn(4096, generator=torch.manual_seed(1)) ** 3
    histogram = Histogram()
    histogram.add(values)
    found = weighted_error(values, *histogram.best_range())
    grid = torch.linspace(0.05, 1, 40).tolist()
    least = min(
        weighted_error(values, a * float(values.min()), b * float(values.max()))
        for a in grid
        for b in grid
    )
    # The model of the error (step^2 / 12) and bins of finite width cost a little.
    assert found < 1.1 * least


def test_the_order_of_batches_does_not_matter_when_the_span_grows() -> None:
    small = torch.linspace(-0.3, 0.2, 1000)
    large = torch.linspace(-1, 40, 1000)
    ranges = []
    for order in ((small, large), (large, small)):
        histogram = Histogram()
        for values in order:
            histogram.add(values)
        ranges.append((histogram.counts.sum().item(), *histogram.best_range()))
    assert ranges[0] == pytest.approx(ranges[1], rel=1e-2)
    assert ranges[0][0] == 2000


def test_zero_is_always_inside() -> None:
    histogram = Histogram()
    histogram.add(torch.linspace(3, 5, 100))
    low, high = histogram.best_range()
    assert low == 0
    assert high == pytest.approx(5, rel=0.03)
    histogram = Histogram()
    histogram.add(torch.linspace(-5, -3, 100))
    low, high = histogram.best_range()
    assert low == pytest.approx(-5, rel=0.03)
    assert high == 0


def test_zeros_alone_have_no_range() -> None:
    histogram = Histogram()
    histogram.add(torch.zeros(10))
    assert histogram.best_range() == (0.0, 0.0)


def test_values_below_the_floor_count_as_the_floor() -> None:
    histogram = Histogram(floor=-10)
    histogram.add(torch.linspace(-500, 5, 1000))
    low, _ = histogram.best_range()
    assert -10 <= low <= -9


@pytest.mark.parametrize(("highest", "expected"), [(1.0, 1.0), (0.4, 1.0), (255.0, 255.0)])
def test_an_images_levels_are_held_exactly(highest: float, expected: float) -> None:
    assert pixel_range(0.0, highest) == (0.0, expected)


def test_nothing_of_a_normalized_image_is_clipped() -> None:
    assert pixel_range(-2.1, 2.6) == (-2.1, 2.6)
    assert pixel_range(-2.1, -0.1) == (-2.1, 0.0)
