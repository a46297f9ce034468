"""What a manifest's schema cannot express: parts that must agree, and what they lead to.

All of it is judged before anything is allocated.
"""

from __future__ import annotations

import base64
import math
from typing import Final, get_args

from mobilevit_edge.boxes import BOX_VALUES, DETECTION_VALUES, BoxForm
from mobilevit_edge.formats.manifest import Golden, InputInfo, Manifest
from mobilevit_edge.normalization import Normalization
from mobilevit_edge.preprocess import CHANNELS, MAX_COVER

MAX_INPUT_ELEMENTS: Final = 2**28
"""Numbers in one input: 1 GiB of them in fp32."""
MAX_OUTPUT_ELEMENTS: Final = 2**28
_GOLDEN_CHANNELS: Final = 3
_MAP_AXES, _ROW_AXES = 4, 3
_SCALES: Final = {"float32": 1 / 255, "uint8": 1.0}
_SCALE_TOLERANCE: Final = 1e-6


def contradictions(manifest: Manifest, labels: int) -> list[str]:
    """The parts of a manifest that contradict others, or that no bundle has.

    Args:
        manifest: as the schema allows it.
        labels: the number of labels in the bundle's file.
    """
    info, outputs = manifest.input, manifest.model.outputs
    golden = manifest.golden
    found = {
        "labels": not labels == manifest.labels.count == outputs,
        "output shape": not _is_output_shape(manifest),
        "head": not _is_head(manifest),
        "input shape": not _is_shape(info, manifest.model.image_size),
        "batch": manifest.target == "coreml" and info.shape[0] != 1,
        "input size": math.prod(side or 1 for side in _shape_of(info, manifest.model.image_size))
        > MAX_INPUT_ELEMENTS,
        "input layout": not _is_layout(info),
        "input scale": not math.isclose(info.scale, _SCALES[info.dtype], rel_tol=_SCALE_TOLERANCE),
        "mean and std": not _is_normalization(info),
        "cover": not _covers(info, manifest.model.image_size),
        "contexts": not _are_contexts(manifest),
        "golden image": not _is_image(golden),
        "golden classes": any(
            expected.index >= math.prod(side or 1 for side in manifest.output.shape[1:])
            for expected in golden.expected
        ),
    }
    return [part for part, broken in found.items() if broken]


def _is_output_shape(manifest: Manifest) -> bool:
    """Whether the output's shape is that of the task, or of what its head's answer is."""
    head, outputs = manifest.head, manifest.model.outputs
    shape, size = manifest.output.shape, manifest.model.image_size
    batch, dtype = manifest.input.shape[0], manifest.output.dtype
    if shape[0] != batch or dtype != ("int32" if head and head.answer == "labels" else "float32"):
        return False
    if math.prod(side or 1 for side in shape) > MAX_OUTPUT_ELEMENTS or None in shape[1:]:
        return False
    match head.answer if head else None:
        case None:
            return shape[1:] == (outputs,)
        case "labels":
            return shape[1:] == size
        case "full-logits":
            return shape[1:] == (outputs, *size)
        case "logits":
            return len(shape) == _MAP_AXES and shape[1] == outputs
        case "nms":
            return len(shape) == _ROW_AXES and shape[2] == DETECTION_VALUES
        case _:
            return len(shape) == _ROW_AXES and shape[2] == outputs + BOX_VALUES


def _is_head(manifest: Manifest) -> bool:
    """Whether the head is that of the task, with what such a head has."""
    head, task = manifest.head, manifest.task
    if head is None:
        return task not in ("segmentation", "detection")
    is_boxes = head.name == "ssdlite"
    if is_boxes != (task == "detection") or (not is_boxes) != (task == "segmentation"):
        return False
    if is_boxes != (head.answer in get_args(BoxForm)) or is_boxes != (head.boxes is not None):
        return False
    if is_boxes == (head.output_stride is not None and head.mask_resize is not None):
        return False
    if head.boxes is not None:
        cells = zip(head.boxes.maps, head.boxes.ratios, strict=False)
        rows = sum(h * w * (2 + 2 * len(ratios)) for (h, w), ratios in cells)
        answered = manifest.output.shape[1]
        if head.answer == "nms":
            rows = min(head.boxes.detections, rows * (manifest.model.outputs - 1))
        if len(head.boxes.maps) != len(head.boxes.ratios) or answered != rows:
            return False
    return len(head.colors) == manifest.model.outputs


def _are_contexts(manifest: Manifest) -> bool:
    """Whether files compiled for single chips are of an NPU's bundle, there, and one a chip."""
    contexts = manifest.contexts
    if contexts and (manifest.target != "onnx" or manifest.unit != "npu"):
        return False
    listed = {file.path for file in manifest.files}
    files, chips = ({getattr(c, name) for c in contexts} for name in ("file", "soc"))
    return files <= listed and len(files) == len(chips) == len(contexts)


def _is_shape(info: InputInfo, size: tuple[int, int]) -> bool:
    """Whether a shape is that of images of a size, or of any size, which ONNX can say."""
    shape = _shape_of(info, size)
    sides = (2, 3) if info.layout == "NCHW" else (1, 2)
    dynamic = tuple(None if axis in sides else side for axis, side in enumerate(shape))
    return info.shape in (shape, dynamic)


def _shape_of(info: InputInfo, size: tuple[int, int]) -> tuple[int | None, ...]:
    batch, height, width = info.shape[0], *size
    if info.layout == "NCHW":
        return (batch, CHANNELS[info.channel_order], height, width)
    return (batch, height, width, CHANNELS[info.channel_order])


def _is_layout(info: InputInfo) -> bool:
    """Whether apps know the axes: bytes have channels last, and channels last are red first."""
    if info.layout == "NHWC":
        return info.channel_order != "BGR"
    return info.dtype != "uint8"


def _is_normalization(info: InputInfo) -> bool:
    """Whether mean and std can be applied; bytes are normalized inside the model."""
    try:
        normalization = Normalization(info.mean, info.std)
    except ValueError:
        return False
    if len(info.mean) != CHANNELS[info.channel_order]:
        return False
    return info.dtype != "uint8" or normalization.is_identity


def _covers(info: InputInfo, size: tuple[int, int]) -> bool:
    return all(
        side <= cover <= MAX_COVER * side
        for side, cover in zip(size, info.resize.cover, strict=True)
    )


def _is_image(golden: Golden) -> bool:
    try:
        pixels = base64.b64decode(golden.pixels_base64, validate=True)
    except ValueError:
        return False
    return len(pixels) == golden.rows * golden.columns * _GOLDEN_CHANNELS
