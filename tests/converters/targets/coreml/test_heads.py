"""Masks and boxes in Core ML packages."""

from __future__ import annotations

import json

import numpy as np

from converters.targets.coreml.evaluator.package import read_package
from mobilevit_edge.colors import class_colors
from tests.support.exports import DENSE_CLASSES, Bundles


def test_a_mask_is_an_integer_map_that_xcode_can_show(package: Bundles) -> None:
    opened = package.read("v1_labels")
    assert opened.manifest.output.name == "labels"
    assert opened.manifest.output.shape == (1, 64, 64)
    assert opened.manifest.output.dtype == "int32"
    import coremltools as ct

    spec = ct.models.MLModel(str(opened.model_path), skip_model_load=True).get_spec()
    (output,) = spec.description.output
    assert list(output.type.multiArrayType.shape) == [1, 64, 64]
    said = dict(spec.description.metadata.userDefined)
    assert said["com.apple.coreml.model.preview.type"] == "imageSegmenter"
    parameters = json.loads(said["com.apple.coreml.model.preview.parameters"])
    assert parameters["labels"] == list(opened.labels)
    red, green, blue = class_colors(opened.labels)[1]
    assert parameters["colors"][1] == f"#{red:02x}{green:02x}{blue:02x}"


def test_boxes_come_with_their_probabilities(package: Bundles) -> None:
    opened = package.read("v2_boxes")
    model = read_package(opened.model_path)
    pixels = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    rows = np.asarray(model({"image": pixels})["boxes"])
    assert rows.shape == opened.manifest.output.shape
    assert rows.shape[2] == 4 + DENSE_CLASSES
    assert np.allclose(rows[..., 4:].sum(-1), 1, atol=1e-5)
