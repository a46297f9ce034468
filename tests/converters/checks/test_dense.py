"""Masks and boxes beside the reference's: what is not a number is not the same."""

from __future__ import annotations

import numpy as np
import pytest

from converters.checks.dense import compare_dense
from mobilevit_edge.errors import VerificationError
from mobilevit_edge.formats.manifest import AnswerForm

EXPECTED = np.array([[-8.0, 0.0, 4.0, 4.0, 0.9, 0.1], [0.0, 0.0, 1.0, 1.0, 0.4, 0.6]])


@pytest.mark.parametrize("form", ["raw", "decoded"])
@pytest.mark.parametrize("columns", [slice(0, 1), slice(0, 4), slice(5, 6)])
def test_nan_in_boxes_or_scores_is_no_small_error(form: AnswerForm, columns: slice) -> None:
    found = EXPECTED.copy()
    found[:, columns] = np.nan
    case = compare_dense(form, "image", found, EXPECTED, 1e-3)
    assert np.isnan(case.relative_error)
    assert np.isnan(case.absolute_error)


def test_scores_exchange_classes_only_within_the_threshold() -> None:
    same = compare_dense("raw", "image", EXPECTED, EXPECTED, 1e-3)
    assert (same.relative_error, same.same_top1, same.tied) == (0, True, False)
    found = EXPECTED.copy()
    found[1, 4:] = (0.6, 0.4)
    found[0, 0] -= 0.4
    case = compare_dense("raw", "image", found, EXPECTED, 0.2)
    assert case.relative_error == pytest.approx(0.2 / 0.9)
    assert case.absolute_error == pytest.approx(0.4)
    assert (case.same_top1, case.tied) == (False, True)
    assert not compare_dense("raw", "image", found, EXPECTED, 0.1).tied


def test_labels_beyond_the_classes_are_refused() -> None:
    with pytest.raises(VerificationError, match="beyond its classes"):
        compare_dense("labels", "image", np.full((2, 2), 3), np.zeros((3, 2, 2)), 1e-3)
