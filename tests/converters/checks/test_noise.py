"""The noise of answers of heads: each part in its own unit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from converters.checks.noise import AnswerNoise
from converters.job.job import ExportJob
from converters.job.precisions import PRECISIONS
from converters.targets.loaded import Array
from mobilevit_edge import boxes
from mobilevit_edge.formats.manifest import AnswerForm
from mobilevit_edge.head_specs import SSDLiteSpec

SSD = SSDLiteSpec()
MAPS = ((4, 6), (2, 3), (1, 2), (1, 1), (1, 1), (1, 1))
ANCHORS = boxes.anchors(SSD, MAPS)
CLASSES = 7
FLOOR = PRECISIONS["int8"].min_sqnr_db


def noise(form: AnswerForm) -> AnswerNoise:
    model = SimpleNamespace(head_maps=lambda size: MAPS)
    source = SimpleNamespace(spec=SimpleNamespace(head=SSD), model=model, image_size=(64, 96))
    job: Any = SimpleNamespace(answer=form, source=source)
    return AnswerNoise(cast(ExportJob, job))


def ratio(form: AnswerForm, actual: Array, expected: Array) -> float | None:
    measured = noise(form)
    measured.add(actual, expected)
    return measured.ratio_db()


def decoded(rows: Array) -> Array:
    corners = boxes.decode(rows[:, :4], ANCHORS, SSD)
    return np.concatenate((corners, boxes.probabilities(rows[:, 4:])), axis=1)


def rows(seed: int, *, offsets: float = 1.0, logits: float = 3.0) -> Array:
    rng = np.random.default_rng(seed)
    scale = np.array([offsets] * 4 + [logits] * CLASSES)
    return np.asarray(rng.standard_normal((len(ANCHORS), 4 + CLASSES)) * scale)


def test_offsets_are_what_boxes_were_decoded_from() -> None:
    offsets = rows(0)[:, :4]
    found = boxes.encode(boxes.decode(offsets, ANCHORS, SSD), ANCHORS, SSD)
    assert np.abs(found - offsets).max() < 1e-6  # anchors are in single precision


@pytest.mark.parametrize(("boxes_error", "logits_error"), [(0.1, 0.03), (0.01, 0.9)])
def test_a_decoded_box_stands_above_its_noise_as_its_row_does(
    boxes_error: float, logits_error: float
) -> None:
    expected = rows(1)
    actual = expected + rows(2, offsets=boxes_error, logits=logits_error)
    raw = ratio("raw", actual, expected)
    assert raw is not None
    assert raw == pytest.approx(20 if boxes_error == 0.1 else 10.5, abs=1)
    # Probabilities have lost what all logits of a box have in common.
    assert ratio("decoded", decoded(actual), decoded(expected)) == pytest.approx(raw, abs=1.5)


def test_anchors_are_no_signal() -> None:
    """Boxes that are nothing but their anchors are near the right ones, and worthless."""
    expected, actual = rows(3), rows(3)
    actual[:, :4] = 0
    found = ratio("decoded", decoded(actual), decoded(expected))
    assert found is not None
    assert FLOOR is not None
    assert found < 1 < FLOOR


def test_labels_drawn_at_random_are_refused() -> None:
    rng = np.random.default_rng(4)
    expected = rng.standard_normal((CLASSES, 40, 50))
    right = expected.argmax(0)
    assert ratio("labels", right, expected) is None
    found = ratio("labels", rng.integers(0, CLASSES, right.shape), expected)
    assert found is not None
    assert FLOOR is not None
    assert found < FLOOR / 2
    # One of a hundred pixels, each by a whole class.
    few = right.copy()
    few[::10, ::10] = (right[::10, ::10] + 1) % CLASSES
    better = ratio("labels", few, expected)
    assert better is not None
    assert better > FLOOR


def test_detections_have_no_noise_of_their_own() -> None:
    assert ratio("nms", np.ones((3, 6)), decoded(rows(5))) is None
