"""Non-maximum suppression after a program, as a pipeline that Vision reads.

Vision turns the pipeline's outputs, ``confidence [D, C]`` and ``coordinates [D, 4]``, into
``VNRecognizedObjectObservation``. Core ML has a rule of its own: a box stands for its most probable
class alone, and may be suppressed by boxes of the same class.
"""

from __future__ import annotations

from typing import Any, Final

import coremltools as ct
from coremltools.proto import FeatureTypes_pb2, Model_pb2

from converters.job.job import ExportJob
from mobilevit_edge.boxes import BOX_VALUES

CONFIDENCE: Final = "confidence"
COORDINATES: Final = "coordinates"
"""Outputs of the pipeline, by the names that Vision looks for."""
PROGRAM_OUTPUTS: Final = (f"all_{CONFIDENCE}", f"all_{COORDINATES}")
"""Outputs of the program in it: of every anchor."""
_THRESHOLDS: Final = ("iouThreshold", "confidenceThreshold")
"""Inputs that an app may leave out, by the names that Vision's feature provider has."""


def with_suppression(program: Any, job: ExportJob) -> Any:
    """A pipeline of a program and the suppression of its boxes: coremltools' ``MLModel``."""
    first = program.get_spec()
    pipeline = Model_pb2.Model(specificationVersion=first.specificationVersion)
    pipeline.description.metadata.CopyFrom(first.description.metadata)
    pipeline.description.input.append(first.description.input[0])
    second = _suppression(first, job)
    pipeline.description.input.extend(second.description.input[-len(_THRESHOLDS) :])
    pipeline.description.output.extend(second.description.output)
    pipeline.pipeline.models.extend((first, second))
    pipeline.pipeline.names.extend(("network", "suppression"))
    return ct.models.MLModel(pipeline, weights_dir=program.weights_dir, skip_model_load=True)


def _suppression(first: Any, job: ExportJob) -> Any:
    model = Model_pb2.Model(specificationVersion=first.specificationVersion)
    stage, rules = model.nonMaximumSuppression, job.rules
    stage.pickTop.perClass = True
    stage.iouThreshold, stage.confidenceThreshold = rules.overlap, rules.score
    # Vision knows no background.
    stage.stringClassLabels.vector.extend(job.source.labels[1:])
    stage.confidenceInputFeatureName, stage.coordinatesInputFeatureName = PROGRAM_OUTPUTS
    stage.iouThresholdInputFeatureName, stage.confidenceThresholdInputFeatureName = _THRESHOLDS
    stage.confidenceOutputFeatureName = CONFIDENCE
    stage.coordinatesOutputFeatureName = COORDINATES
    described = {feature.name: feature for feature in first.description.output}
    model.description.input.extend(described[name] for name in PROGRAM_OUTPUTS)
    for name, value, text in (
        (_THRESHOLDS[0], rules.overlap, "Intersection over union from which a box is left out"),
        (_THRESHOLDS[1], rules.score, "The least confidence of a box"),
    ):
        feature = model.description.input.add(name=name)
        feature.shortDescription = f"{text} (default {value:g})."
        feature.type.doubleType.SetInParent()
        feature.type.isOptional = True
    columns = (len(job.source.labels) - 1, BOX_VALUES)
    texts = (
        "The confidence of each class, for each box that remains.",
        "Center x, center y, width and height in shares of the image, for each box that remains.",
    )
    for name, count, text in zip((CONFIDENCE, COORDINATES), columns, texts, strict=True):
        feature = model.description.output.add(name=name)
        feature.shortDescription = text
        array = feature.type.multiArrayType
        array.dataType = FeatureTypes_pb2.ArrayFeatureType.FLOAT32
        ranges = array.shapeRange.sizeRanges
        ranges.add(lowerBound=0, upperBound=rules.detections)
        ranges.add(lowerBound=count, upperBound=count)
    return model
