"""What is known of a file that is open in a runtime."""

from __future__ import annotations

import pytest

from converters.targets.loaded import LoadedModel


@pytest.mark.parametrize(
    ("takes", "shape", "fits"),
    [
        (None, (1, 3, 32, 32), True),
        ((1, 3, 32, 32), (1, 3, 32, 32), True),
        ((1, 3, 32, 32), (1, 3, 32, 64), False),
        ((None, 3, 32, 32), (4, 3, 32, 32), True),
        ((None, 3, 32, 32), (None, 3, 32, 32), True),
        ((1, 3, 32, 32), (None, 3, 32, 32), False),
        ((None, 3, 32), (1, 3, 32, 32), False),
    ],
)
def test_an_input_fits_as_far_as_it_is_known(
    takes: tuple[int | None, ...] | None, shape: tuple[int | None, ...], fits: bool
) -> None:
    assert LoadedModel(lambda x: x, "a runtime", takes=takes).fits(shape) is fits
