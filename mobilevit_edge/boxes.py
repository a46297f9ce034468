"""Boxes from what a detection head says: anchors, decoding, and the detections that remain.

As CVNets has them (SSD section 2.2, with its own scales and variances). Boxes are (x1, y1, x2, y2)
as shares of the image's width and height; NumPy alone, so that answering needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mobilevit_edge.head_specs import SSDLiteSpec

Array: TypeAlias = npt.NDArray[Any]
BoxForm: TypeAlias = Literal["raw", "decoded", "nms"]
"""What an artifact says: of each anchor the head's own numbers, or a box and probabilities, or the
boxes that remain."""

BOX_VALUES: Final = 4
"""Numbers that place a box."""
BACKGROUND: Final = 0
DETECTION_VALUES: Final = BOX_VALUES + 2
"""Numbers of a detection in an artifact's answer: box, score and label."""
MOST: Final = 100_000
"""Boxes of a class that a manifest may let compare."""


@dataclass(frozen=True)
class DetectionRules:
    """Which boxes are detections: CVNets v0.2's own values.

    Attributes:
        score: the least probability of a class.
        candidates: the most boxes of one class, best first, that are compared with each other.
        overlap: the intersection over union from which the less probable of two boxes of a class
            is left out.
        detections: the most that remain, of all classes, best first.
        one_class: whether a box stands for its most probable class alone, as in Core ML.
    """

    score: float = 0.01
    candidates: int = 400
    overlap: float = 0.5
    detections: int = 200
    one_class: bool = False


@dataclass(frozen=True)
class Detections:
    """What remains, the most probable first: ``labels [D]``, ``scores [D]``, ``boxes [D, 4]``."""

    labels: Array
    scores: Array
    boxes: Array


def anchors(spec: SSDLiteSpec, maps: Sequence[tuple[int, int]]) -> Array:
    """Every anchor as (center x, center y, width, height), clipped to 0..1. ``[N, 4]`` float32.

    Args:
        spec: of the head.
        maps: (height, width) of each map that the head reads, in order.
    """
    low, high = spec.scales
    scales = np.linspace(low, high, len(spec.ratios) + 1)
    rows = []
    for index, ((height, width), ratios) in enumerate(zip(maps, spec.ratios, strict=True)):
        scale = scales[index]
        between = math.sqrt(scale * scales[index + 1])
        sizes = [(scale, scale), (between, between)]
        for ratio in ratios:
            long, short = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
            sizes += [(long, short), (short, long)]
        y, x = np.mgrid[0:height, 0:width]
        # [H, W, 2] -> [H, W, 1, 2], beside the sizes [anchors, 2], to [H, W, anchors, 4]
        centers = np.stack(((x + 0.5) / width, (y + 0.5) / height), axis=-1)[:, :, None]
        each = (height, width, len(sizes), 2)
        boxes = np.concatenate(
            (np.broadcast_to(centers, each), np.broadcast_to(np.array(sizes), each)), axis=-1
        )
        rows.append(boxes.reshape(-1, BOX_VALUES))
    clipped: Array = np.clip(np.concatenate(rows), 0, 1).astype(np.float32)
    return clipped


def decode(offsets: Array, anchors: Array, spec: SSDLiteSpec) -> Array:
    """Boxes that a head describes relative to its anchors. ``[..., N, 4] -> same``, not clipped."""
    centers = offsets[..., :2] * spec.center_variance * anchors[:, 2:] + anchors[:, :2]
    sizes = np.exp(offsets[..., 2:] * spec.size_variance) * anchors[:, 2:]
    return np.concatenate((centers - sizes / 2, centers + sizes / 2), axis=-1)


def encode(boxes: Array, anchors: Array, spec: SSDLiteSpec) -> Array:
    """The offsets that :func:`decode` makes these boxes of. ``[..., N, 4] -> same``."""
    sizes = np.maximum(boxes[..., 2:] - boxes[..., :2], np.finfo(np.float32).tiny)
    places = (boxes[..., :2] + boxes[..., 2:]) / 2 - anchors[:, :2]
    return np.concatenate(
        (
            places / (spec.center_variance * anchors[:, 2:]),
            np.log(sizes / anchors[:, 2:]) / spec.size_variance,
        ),
        axis=-1,
    )


def probabilities(logits: Array) -> Array:
    """Softmax over the classes, the background among them. ``[..., N, C] -> same``."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return result


def detect(boxes: Array, scores: Array, rules: DetectionRules | None = None) -> Detections:
    """The detections among ``boxes [N, 4]`` with probabilities ``scores [N, C]``; class 0 is none.

    The result's boxes are as given: whoever draws them clips them to the image.
    """
    rules = rules or DetectionRules()
    scores = counted(scores, rules)
    found: list[tuple[Array, Array, Array]] = []
    for label in range(BACKGROUND + 1, scores.shape[1]):
        own = scores[:, label]
        rows = np.flatnonzero(own > rules.score)
        rows = rows[np.argsort(-own[rows], kind="stable")][: rules.candidates]
        rows = rows[_apart(boxes[rows], rules.overlap)]
        found.append((np.full(len(rows), label), own[rows], boxes[rows]))
    if not found:
        nothing = np.zeros(0, scores.dtype)
        return Detections(np.zeros(0, np.int64), nothing, np.zeros((0, BOX_VALUES), boxes.dtype))
    labels, values, kept = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.argsort(-values, kind="stable")[: rules.detections]
    return Detections(labels[order], values[order], kept[order])


def detections_of(
    form: BoxForm,
    outputs: Array,
    spec: SSDLiteSpec,
    maps: Sequence[tuple[int, int]],
    rules: DetectionRules,
) -> Detections:
    """The detections in one image's answer.

    Args:
        form: what the answer is.
        outputs: ``[N, 4 + C]``, or the rows of :func:`as_rows`.
        spec: of the head.
        maps: (height, width) of each map that the head reads, in order.
        rules: which boxes are detections.
    """
    if form == "nms":
        return from_rows(outputs)
    corners, scores = outputs[:, :BOX_VALUES], outputs[:, BOX_VALUES:]
    if form == "raw":
        corners, scores = decode(corners, anchors(spec, maps), spec), probabilities(scores)
    return detect(corners, scores, rules)


def in_pixels(
    boxes: Array, seen: tuple[float, float, float, float], photo: tuple[int, int]
) -> Array:
    """Boxes in a photo's pixels, clipped to it. ``[D, 4] -> same``.

    Args:
        boxes: in shares of what the network has seen.
        seen: (left, top, right, bottom) of that, in pixels.
        photo: (height, width).
    """
    left, top, right, bottom = seen
    places = boxes * np.array([right - left, bottom - top] * 2) + np.array([left, top] * 2)
    clipped: Array = np.clip(places, 0, np.array([photo[1], photo[0]] * 2))
    return clipped


def counted(scores: Array, rules: DetectionRules) -> Array:
    """The probabilities ``[N, C]`` that may make a detection; others are zero."""
    if not rules.one_class:
        return scores
    objects = scores[:, BACKGROUND + 1 :]
    best = objects.argmax(axis=1) + BACKGROUND + 1
    alone = np.zeros_like(scores)
    np.put_along_axis(alone, best[:, None], objects.max(axis=1)[:, None], axis=1)
    return alone


def as_rows(found: Detections, count: int) -> Array:
    """Detections as an artifact with suppression inside answers them. ``[count, 6]``.

    A row is x1, y1, x2, y2, score, label; rows of zeros follow the last detection.
    """
    rows = np.zeros((count, DETECTION_VALUES), found.boxes.dtype)
    parts = (found.boxes, found.scores[:, None], found.labels[:, None])
    rows[: len(found.labels)] = np.concatenate(parts, axis=1)[:count]
    return rows


def from_rows(rows: Array) -> Detections:
    """The detections of :func:`as_rows`."""
    found = rows[rows[:, BOX_VALUES] > 0]
    labels = found[:, BOX_VALUES + 1].astype(np.int64)
    return Detections(labels, found[:, BOX_VALUES], found[:, :BOX_VALUES])


def overlaps(box: Array, others: Array) -> Array:
    """Intersection over union of a box with others, in float64. ``[4], [N, 4] -> [N]``."""
    x1, y1, x2, y2 = others.astype(np.float64).T
    left, top, right, bottom = box.astype(np.float64)
    width = np.minimum(right, x2) - np.maximum(left, x1)
    height = np.minimum(bottom, y2) - np.maximum(top, y1)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = (right - left) * (bottom - top) + (x2 - x1) * (y2 - y1) - shared
    # A pair without area has no overlap, as it has none in CVNets.
    shares: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return shares


def _apart(boxes: Array, overlap: float) -> Array:
    """Which boxes, best first, overlap no better one that is kept by more than ``overlap``.

    Greedy non-maximum suppression, a row of overlaps at a time. ``[N, 4] -> [kept]`` indices.
    """
    open_rows = np.arange(len(boxes))
    kept = []
    while len(open_rows):
        first, rest = open_rows[0], open_rows[1:]
        kept.append(first)
        open_rows = rest[overlaps(boxes[first], boxes[rest]) <= overlap]
    return np.array(kept, np.int64)
