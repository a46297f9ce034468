"""COCO's mean average precision of an artifact and of the reference on the user's labeled photos.

Computed by pycocotools, COCO's own code: how detections are matched to boxes, what crowds count for
and between which points precision is read are its rules, and a second implementation would differ
at the edges.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converters.checks.accuracy import answered_batches, judge_drop, max_drop_of
from converters.checks.coco import BoxedPhoto, BoxedPhotos
from converters.job.job import ExportJob
from converters.progress import Progress
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge import boxes
from mobilevit_edge.errors import MissingPackageError
from mobilevit_edge.formats.manifest import HeadAccuracy
from mobilevit_edge.head_specs import SSDLiteSpec
from mobilevit_edge.input_contract import Pixels
from mobilevit_edge.preprocess import load_image

Detection = Mapping[str, Any]
"""As in COCO's files of results."""


@dataclass(frozen=True)
class _Seen:
    """A photo, its (height, width), and what of it the network sees."""

    photo: BoxedPhoto
    size: tuple[int, int]
    part: tuple[float, float, float, float]


def measure_boxes(
    loaded: LoadedModel, job: ExportJob, labeled: BoxedPhotos, progress: Progress
) -> HeadAccuracy:
    """Mean average precision of the reference in fp32 and of the artifact, over readable photos.

    Raises:
        ImageError: no photo can be read.
        VerificationError: the artifact loses more than ``--max-accuracy-drop`` percentage points.
    """
    contract = job.network_input

    def load(photo: BoxedPhoto) -> tuple[_Seen, Pixels]:
        image = load_image(photo.path)
        size = image.height, image.width
        return _Seen(photo, size, contract.seen(size)), contract.resized(image)

    found: dict[str, list[Detection]] = {"reference": [], "artifact": []}
    read: list[int] = []
    for photos, rows, outputs in answered_batches(loaded, job, labeled.photos, load):
        answers = (("reference", "raw", rows.numpy()), ("artifact", job.answer, outputs))
        for name, form, answer in answers:
            for seen, output in zip(photos, answer, strict=True):
                found[name] += _detections(job, labeled, seen, form, output)
        read += [seen.photo.number for seen in photos]
        progress(f"measuring mean average precision: image {len(read)} of {len(labeled.photos)}")
    accuracy = HeadAccuracy(
        measure="mAP",
        images=len(read),
        unreadable=len(labeled.photos) - len(read),
        reference=average_precision(labeled, found["reference"], read),
        artifact=average_precision(labeled, found["artifact"], read),
        max_drop=max_drop_of(job.options),
    )
    judge_drop(
        job,
        accuracy,
        f"mean average precision falls from {100 * accuracy.reference:.1f} to "
        f"{100 * accuracy.artifact:.1f} % on {len(read)} images",
    )
    return accuracy


def _detections(
    job: ExportJob, labeled: BoxedPhotos, seen: _Seen, form: Any, output: Array
) -> list[Detection]:
    """One image's detections of categories that the photos are labeled with, in its pixels."""
    head = job.source.spec.head
    assert isinstance(head, SSDLiteSpec)
    maps = job.source.model.head_maps(job.source.image_size)
    found = boxes.detections_of(form, output, head, maps, job.rules)
    corners = boxes.in_pixels(found.boxes, seen.part, seen.size)
    # (x1, y1, x2, y2) -> (x, y, width, height)
    places = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
    return [
        {
            "image_id": seen.photo.number,
            "category_id": labeled.categories[int(label)],
            "bbox": place.tolist(),
            "score": float(score),
        }
        for label, score, place in zip(found.labels, found.scores, places, strict=True)
        if int(label) in labeled.categories
    ]


def average_precision(
    labeled: BoxedPhotos, detections: Sequence[Detection], images: Sequence[int]
) -> float:
    """COCO's mean average precision of boxes, 0 to 1, over these images."""
    if not detections:
        return 0.0
    coco, evaluation = _pycocotools()
    # It prints what it does.
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco()
        truth.dataset = labeled.as_dataset()
        truth.createIndex()
        judged = evaluation(truth, truth.loadRes(list(detections)), "bbox")
        judged.params.imgIds = list(images)
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    # -1 where none of these images has a box.
    return max(0.0, float(judged.stats[0]))


def require_pycocotools() -> None:
    """Raises MissingPackageError where it is not installed, before anything takes time."""
    _pycocotools()


def _pycocotools() -> tuple[Callable[..., Any], Callable[..., Any]]:
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise MissingPackageError("pycocotools") from error
    return COCO, COCOeval
