"""What a head's answer says about a photo: a mask of its size, or boxes in its pixels.

An input is a stretched photo, or the middle of a scaled one. What the network has not seen has no
class.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from converters.targets.loaded import Array
from mobilevit_edge import boxes, masks
from mobilevit_edge.errors import BundleError
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.formats.manifest import BoxInfo, HeadInfo
from mobilevit_edge.head_specs import SSDLiteSpec
from mobilevit_edge.input_contract import InputContract

MAX_SIDE: Final = 1024
"""The longest side of a mask: those of larger photos are made at a smaller scale."""
NOT_SEEN: Final = -1


@dataclass(frozen=True)
class Mask:
    """The class of each pixel of a photo, at its size or at :data:`MAX_SIDE`.

    ``size`` is (height, width); ``packed`` are the labels, compressed: many photos' masks are held
    at once.
    """

    size: tuple[int, int]
    packed: bytes

    @classmethod
    def of(cls, labels: Array) -> Mask:
        """From ``[H, W]`` indices of classes, -1 where the network has not looked."""
        return cls(
            (labels.shape[0], labels.shape[1]),
            zlib.compress(labels.astype("<i4").tobytes(), level=1),
        )

    @property
    def labels(self) -> Array:
        """``[H, W]`` int32 indices of classes, -1 where the network has not looked."""
        return np.frombuffer(zlib.decompress(self.packed), "<i4").reshape(self.size)

    def counts(self, index: int) -> tuple[int, ...]:
        """Lengths of runs without and with class ``index`` in turn, column by column.

        That is COCO's uncompressed run-length encoding, which begins with a run without.
        """
        inside = (self.labels == index).T.reshape(-1)
        edges = np.flatnonzero(np.diff(inside)) + 1
        lengths = np.diff(np.concatenate(([0], edges, [inside.size])))
        start = [0] if inside.size and inside[0] else []
        return (*start, *lengths.tolist())


@dataclass(frozen=True)
class DetectedBox:
    """An object in a photo: corners (x1, y1, x2, y2) in pixels, clipped to the photo."""

    index: int
    label: str
    probability: float
    box: tuple[float, float, float, float]


def mask_of(
    bundle: Bundle, contract: InputContract, outputs: Array, photo: tuple[int, int]
) -> Mask:
    """The mask of a photo of ``photo`` (height, width) pixels, from one image's answer."""
    head = _head(bundle)
    scale = min(1.0, MAX_SIDE / max(photo))
    height, width = (max(1, round(side * scale)) for side in photo)
    left, top, right, bottom = contract.seen((height, width))
    rows = slice(round(top), max(round(bottom), round(top) + 1))
    columns = slice(round(left), max(round(right), round(left) + 1))
    labels = np.full((height, width), NOT_SEEN, np.int32)
    seen = labels[rows, columns]
    labels[rows, columns] = _labels(head, outputs, (seen.shape[0], seen.shape[1]))
    return Mask.of(labels)


def _labels(head: HeadInfo, outputs: Array, size: tuple[int, int]) -> Array:
    """Labels at ``size``, as the head's own code makes them where the answer allows it."""
    match head.answer:
        case "logits":
            assert head.mask_resize is not None
            assert head.output_stride is not None
            return masks.best_classes(outputs, size, head.mask_resize, head.output_stride)
        case "full-logits":
            return masks.resize_nearest(outputs.argmax(0), size)
        case _:
            return masks.resize_nearest(outputs, size)


def boxes_of(
    bundle: Bundle, contract: InputContract, outputs: Array, photo: tuple[int, int]
) -> tuple[DetectedBox, ...]:
    """The objects in a photo of ``photo`` (height, width) pixels, the surest first."""
    head = _head(bundle)
    assert head.boxes is not None
    spec, rules = _settings_of(head.boxes)
    form = head.answer
    assert form in ("raw", "decoded", "nms")
    found = boxes.detections_of(form, outputs, spec, head.boxes.maps, rules)
    places = boxes.in_pixels(found.boxes, contract.seen(photo), photo)
    return tuple(
        DetectedBox(int(label), bundle.labels[int(label)], float(score), _corners(place))
        for label, score, place in zip(found.labels, found.scores, places, strict=True)
    )


def labels_in(head: HeadInfo | None, outputs: Array) -> Array:
    """All labels that are answered as such, in any order: none where they are made of scores.

    Args:
        head: of the bundle.
        outputs: a batch of its answers.
    """
    match head and head.answer:
        case "labels":
            return outputs
        case "nms":
            # [B, D, 6] -> [B * D, 6]
            rows = outputs.reshape(-1, boxes.DETECTION_VALUES)
            found = rows[rows[:, boxes.BOX_VALUES] > 0]
            return found[:, boxes.BOX_VALUES + 1]
        case _:
            return np.empty(0)


def _corners(place: Array) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(float(value), 2) for value in place)
    return x1, y1, x2, y2


def _settings_of(info: BoxInfo) -> tuple[SSDLiteSpec, boxes.DetectionRules]:
    spec = SSDLiteSpec(
        ratios=info.ratios,
        scales=info.scales,
        center_variance=info.center_variance,
        size_variance=info.size_variance,
    )
    rules = boxes.DetectionRules(
        info.score, info.candidates, info.overlap, info.detections, info.one_class
    )
    return spec, rules


def _head(bundle: Bundle) -> HeadInfo:
    if bundle.manifest.head is None:
        raise BundleError(f"{bundle.path} has no head for masks or boxes")
    return bundle.manifest.head
