"""The self-test on this machine: what is no number, and a better class, do not pass."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from converters.checks.self_test import check_golden
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.formats.golden import encode_pixels, golden_pixels
from mobilevit_edge.formats.manifest import Expected, Golden

OUTPUTS = [1.0, 2.0, -3.0, 0.5]
NAN = float("nan")


def take(outputs: list[float], *, has_head: bool = False) -> None:
    pixels = golden_pixels()
    expected = (Expected(1, "b", 2.0), Expected(0, "a", 1.0))
    rows, columns = pixels.shape[:2]
    golden = Golden(rows, columns, encode_pixels(pixels), "reference", expected, 0.1)
    manifest: Any = SimpleNamespace(
        golden=golden,
        model=SimpleNamespace(image_size=(64, 64)),
        head=SimpleNamespace() if has_head else None,
    )
    bundle: Any = SimpleNamespace(manifest=manifest, path=Path("bundle"))
    check_golden(cast(Bundle, bundle), lambda _: np.array(outputs, np.float32))


def test_outputs_within_the_tolerance_pass() -> None:
    take(OUTPUTS)
    take([1.09, 1.91, -3.0, 1.05])


@pytest.mark.parametrize("outputs", [[NAN, 2.0, -3.0, 0.5], [1.0, NAN, -3.0, 0.5]])
def test_nan_does_not_pass_wherever_it_stands(outputs: list[float]) -> None:
    with pytest.raises(VerificationError, match=r"its self-test differs by nan .* 1\.00e-01"):
        take(outputs)


def test_the_difference_is_the_largest() -> None:
    with pytest.raises(VerificationError, match=r"differs by 3\.00e-01 on this machine"):
        take([1.2, 2.3, -3.0, 0.5])


@pytest.mark.parametrize("other", [1.2, NAN, float("inf")])
def test_no_other_class_stands_above_the_expected(other: float) -> None:
    outputs = [1.0, 2.0, -3.0, other]
    with pytest.raises(VerificationError, match=r"finds class 3 .* not among the best"):
        take(outputs)
    take(outputs, has_head=True)
