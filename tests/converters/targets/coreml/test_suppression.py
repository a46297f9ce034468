"""A Core ML pipeline that leaves out boxes, as Vision reads it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.targets.bundles import load_bundle_model
from converters.targets.coreml.evaluator.package import read_package
from converters.targets.coreml.evaluator.suppression import Suppression
from mobilevit_edge import boxes
from mobilevit_edge.boxes import MOST, DetectionRules
from mobilevit_edge.errors import BundleError
from tests.support.exports import DENSE_CLASSES, Bundles


def spec_of(path: Path) -> Any:
    import coremltools as ct

    return ct.models.MLModel(str(path), skip_model_load=True).get_spec()


def test_the_pipeline_is_what_vision_looks_for(package: Bundles) -> None:
    opened = package.read("v2_nms")
    spec = spec_of(opened.model_path)
    assert spec.WhichOneof("Type") == "pipeline"
    network, suppression = spec.pipeline.models
    assert network.WhichOneof("Type") == "mlProgram"
    # Otherwise Vision gives feature values in place of recognized objects.
    names = [feature.name for feature in spec.description.output]
    assert names == ["confidence", "coordinates"]
    given = {feature.name: feature.type for feature in spec.description.input}
    assert list(given) == ["image", "iouThreshold", "confidenceThreshold"]
    assert given["image"].WhichOneof("Type") == "imageType"
    assert given["iouThreshold"].isOptional
    stage = suppression.nonMaximumSuppression
    assert stage.pickTop.perClass
    assert list(stage.stringClassLabels.vector) == list(opened.labels[1:])
    assert (stage.iouThreshold, stage.confidenceThreshold) == (0.5, 0.01)
    made = {feature.name for feature in network.description.output}
    assert made == {stage.confidenceInputFeatureName, stage.coordinatesInputFeatureName}
    for feature, columns in zip(spec.description.output, (DENSE_CLASSES - 1, 4), strict=True):
        rows, fixed = feature.type.multiArrayType.shapeRange.sizeRanges
        assert (rows.lowerBound, rows.upperBound) == (0, 200)
        assert (fixed.lowerBound, fixed.upperBound) == (columns, columns)


def test_the_program_gives_boxes_by_their_centers(package: Bundles) -> None:
    """The same boxes as without suppression, less the background."""
    pixels = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    found = read_package(package.read("v2_nms").model_path)({"image": pixels})
    rows = np.asarray(read_package(package.read("v2_boxes").model_path)({"image": pixels})["boxes"])
    confidence, coordinates = (
        np.asarray(found[f"all_{name}"]) for name in ("confidence", "coordinates")
    )
    assert np.abs(confidence - rows[0, :, 5:]).max() < 1e-5
    centers, sides = coordinates[:, :2], coordinates[:, 2:]
    corners = np.concatenate((centers - sides / 2, centers + sides / 2), axis=1)
    assert np.abs(corners - rows[0, :, :4]).max() < 1e-5


def test_a_bundle_answers_the_boxes_that_remain(package: Bundles) -> None:
    opened = package.read("v2_nms")
    manifest = opened.manifest
    assert manifest.head is not None
    assert manifest.head.boxes is not None
    assert manifest.head.boxes.one_class
    assert manifest.output.shape == (1, 200, 6)
    pixels = np.random.default_rng(5).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    found = boxes.from_rows(load_bundle_model(opened).run(pixels)[0])
    assert len(found.labels) > 0
    for box, label, index in zip(found.boxes, found.labels, range(200), strict=False):
        same = found.boxes[:index][found.labels[:index] == label]
        assert (boxes.overlaps(box, same) <= 0.5).all()


def test_a_box_stands_for_its_best_class_alone() -> None:
    """Core ML's documented rule, by hand: the second box is of another class than the first."""
    confidence = np.array([[0.6, 0.3], [0.3, 0.5], [0.55, 0.4], [0.004, 0.005]], np.float32)
    coordinates = np.array([[0.5, 0.5, 0.4, 0.4]] * 3 + [[0.1, 0.1, 0.1, 0.1]], np.float32)
    rules = DetectionRules(candidates=MOST, detections=5, one_class=True)
    stage = Suppression("a", "b", ("confidence", "coordinates"), rules)
    rows = stage({"a": confidence, "b": coordinates})[0]
    assert rows[:, 4:].tolist() == [[np.float32(0.6), 1], [0.5, 2], [0, 0], [0, 0], [0, 0]]
    assert np.allclose(rows[0, :4], (0.3, 0.3, 0.7, 0.7))
    # What the pipeline itself has left over stays as it is.
    left = {"confidence": confidence[:2], "coordinates": coordinates[:2]}
    assert np.array_equal(stage(left)[0], rows)


def _of_any_class(spec: Any) -> None:
    spec.pipeline.models[1].nonMaximumSuppression.pickTop.perClass = False


def _without_limit(spec: Any) -> None:
    for feature in spec.pipeline.models[1].description.output:
        feature.type.multiArrayType.shapeRange.sizeRanges[0].upperBound = -1


def _three(spec: Any) -> None:
    spec.pipeline.models.append(spec.pipeline.models[1])


def _of_something_else(spec: Any) -> None:
    spec.pipeline.models[1].nonMaximumSuppression.confidenceInputFeatureName = "other"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_of_any_class, "does not heed classes"),
        (_without_limit, "leaves -1 of them"),
        (_three, "it is a pipeline of mlProgram, nonMaximumSuppression, nonMaximumSuppression"),
        (_of_something_else, "not what is suppressed after it"),
    ],
)
def test_other_pipelines_are_refused(
    package: Bundles, tmp_path: Path, damage: Callable[[Any], None], message: str
) -> None:
    copy = shutil.copytree(package.read("v2_nms").model_path, tmp_path / "model.mlpackage")
    (model,) = copy.rglob("*.mlmodel")
    spec = spec_of(copy)
    damage(spec)
    model.write_bytes(spec.SerializeToString())
    with pytest.raises(BundleError, match=message):
        read_package(copy)
