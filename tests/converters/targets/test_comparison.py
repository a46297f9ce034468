"""Two machines' answers to one image, by what the artifact answers."""

from __future__ import annotations

import numpy as np
import pytest

from converters.targets.comparison import compare_answers
from mobilevit_edge.errors import VerificationError


def test_a_classifiers_answer_has_one_best_class() -> None:
    expected = np.array([1.0, -4.0, 2.0])
    found = compare_answers(None, np.array([1.0, -3.8, 1.9]), expected)
    assert (found.classes, found.same) == (1, 1)
    assert found.difference == pytest.approx(0.05)
    assert np.isnan(compare_answers(None, np.full(3, np.nan), expected).difference)


def test_logits_have_one_for_each_pixel() -> None:
    expected = np.zeros((3, 2, 2))
    expected[1] = 2.0
    found = expected.copy()
    found[2, 0, 1] = 2.5
    compared = compare_answers("full-logits", found, expected)
    assert (compared.classes, compared.same) == (4, 3)
    assert compared.difference == pytest.approx(1.25)


def test_labels_differ_by_what_their_logits_must_have_moved() -> None:
    logits = np.zeros((3, 2, 2))
    logits[1] = 2.0
    logits[2, 0, 1] = 1.8
    found = logits.argmax(0).astype(np.int32)
    assert compare_answers("labels", found, logits).difference == 0
    found[0, 1] = 2
    near = compare_answers("labels", found, logits)
    assert (near.classes, near.same) == (4, 3)
    assert near.difference == pytest.approx(0.05)
    found[1, 1] = 0
    assert compare_answers("labels", found, logits).difference == pytest.approx(0.5)
    found[1, 1] = 3
    with pytest.raises(VerificationError, match="beyond its classes"):
        compare_answers("labels", found, logits)


def test_boxes_and_scores_are_related_to_their_own_largest_number() -> None:
    expected = np.array([[-8.0, 0.0, 4.0, 4.0, 0.9, 0.1], [0.0, 0.0, 1.0, 1.0, 0.4, 0.6]])
    found = expected.copy()
    found[0, 0] -= 0.4
    compared = compare_answers("decoded", found, expected)
    assert (compared.classes, compared.same) == (2, 2)
    assert compared.difference == pytest.approx(0.05)
    found[1, 4:] = (0.58, 0.42)
    compared = compare_answers("raw", found, expected)
    assert (compared.classes, compared.same) == (2, 1)
    assert compared.difference == pytest.approx(0.2)
    # The logits behind 0.9 and 0.1 are 1.1 from zero at least.
    compared = compare_answers("decoded", found, expected)
    assert compared.difference == pytest.approx(0.18 / (np.log(9) / 2))
