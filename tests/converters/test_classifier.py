"""A stranger's model that gives something else than its manifest says makes a bad bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from converters.classifier import Classifier
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import BundleError
from mobilevit_edge.formats.bundle import Bundle, read_bundle
from mobilevit_edge.formats.manifest import AnswerForm
from tests.support.bundles import LABELS, SIDE, rewrite, write_bundle
from tools.dense_models import BOXES, box_head, mask_head, with_dense_head
from tools.strange_models import strange_models

PIXELS = np.zeros((SIDE, SIDE, 3), np.uint8)
DETECTIONS = 5


@pytest.fixture
def plain(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path / "bundle"))


def answering(plain: Bundle, form: AnswerForm, answers: list[Array]) -> Classifier:
    """A classifier with a head, whose model gives the last of ``answers``."""
    if form == "labels":
        head, shape = mask_head(form, "half-pixel", len(LABELS)), (1, SIDE, SIDE)
    else:
        head, shape = box_head(form, BOXES, len(LABELS)), (1, DETECTIONS, 6)
    bundle = replace(plain, manifest=with_dense_head(plain.manifest, head, shape))
    return Classifier(bundle, LoadedModel(lambda _: answers[-1], "made up"))


@pytest.mark.parametrize(
    ("name", "given"), [("whole_numbers", r"int64 \[1, 3\]"), ("a_sequence", "no tensor")]
)
def test_a_models_output_is_of_the_type_it_says(plain: Bundle, name: str, given: str) -> None:
    onnx.save_model(strange_models(plain.manifest)[name], plain.path / "model.onnx")
    rewrite(plain.path)
    wanted = rf"{plain.path}: the model gives {given}, its manifest says float32 \[1, 3\]"
    with pytest.raises(BundleError, match=wanted):
        Classifier(read_bundle(plain.path))


@pytest.mark.parametrize(
    "given", [np.zeros((2, 3), np.float32), np.zeros((1, 4), np.float32), [], [[0.0], [1.0, 2.0]]]
)
def test_a_models_output_has_the_shape_it_says(plain: Bundle, given: Any) -> None:
    with pytest.raises(BundleError, match="its manifest says"):
        Classifier(plain, LoadedModel(lambda _: given, "made up"))


@pytest.mark.parametrize("label", [2**31 - 1, len(LABELS), -1])
def test_a_label_map_names_classes_that_there_are(plain: Bundle, label: int) -> None:
    answers = [np.zeros((1, SIDE, SIDE), np.int32)]
    classifier = answering(plain, "labels", answers)
    answers.append(answers[0].copy())
    answers[-1][0, 5, 7] = len(LABELS) - 1
    assert classifier.outputs(PIXELS).max() == len(LABELS) - 1
    answers[-1][0, 5, 7] = label
    with pytest.raises(BundleError, match="gives classes beyond its 3 labels"):
        classifier.outputs(PIXELS)


@pytest.mark.parametrize("label", [len(LABELS), -1, 1e20, float("nan")])
def test_detections_name_classes_that_there_are(plain: Bundle, label: float) -> None:
    answers = [np.zeros((1, DETECTIONS, 6), np.float32)]
    classifier = answering(plain, "nms", answers)
    answers.append(answers[0].copy())
    answers[-1][0, 2, 4:] = (0, label)
    assert np.isnan(label) or classifier.outputs(PIXELS)[2, 5] == np.float32(label)
    answers[-1][0, 2, 4] = 0.5
    with pytest.raises(BundleError, match="gives classes beyond its 3 labels"):
        classifier.outputs(PIXELS)
