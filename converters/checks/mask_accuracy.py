"""Mean IoU of an artifact and of the reference on the user's photos with masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from converters.checks.accuracy import answered_batches, composed, judge_drop, max_drop_of
from converters.job.answers import make_answer
from converters.job.job import ExportJob
from converters.progress import Progress
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge import masks
from mobilevit_edge.errors import LabelsError
from mobilevit_edge.formats.manifest import HeadAccuracy
from mobilevit_edge.head_specs import MaskSpec
from mobilevit_edge.input_contract import Pixels
from mobilevit_edge.preprocess import load_image
from mobilevit_edge.training.evaluate import confusion_of, mean_iou
from mobilevit_edge.training.masks import (
    IGNORED,
    LABELS,
    Part,
    has_masks,
    is_divided,
    load_mask,
    scan_masks,
)


@dataclass(frozen=True)
class MaskedPhoto:
    """A photo and the classes of its pixels, as files."""

    image: Path
    mask: Path


def find_masked(folder: Path, labels: Sequence[str], progress: Progress) -> tuple[MaskedPhoto, ...]:
    """The photos of a folder in one of the layouts that ``mobilevit-train`` reads; none elsewhere.

    Those of a folder that PASCAL VOC's lists divide are its held-out ones.

    Raises:
        DataError: masks that are missing, or that cannot be used.
        LabelsError: its classes are not the model's, in their order.
    """
    if not has_masks(folder):
        return ()
    part: Part | None = "val" if is_divided(folder) else None
    told = "reading masks: image {} of {}"
    scan = scan_masks(folder, part=part, progress=lambda *counts: progress(told.format(*counts)))
    images = scan.images
    pairs = zip(map(composed, images.classes), map(composed, labels), strict=False)
    other = next((index for index, (a, b) in enumerate(pairs) if a != b), None)
    if other is not None or len(images.classes) != len(labels):
        where = f"class {other} is" if other is not None else "its classes are"
        what = (
            f"{images.classes[other]!r} there and {labels[other]!r} in the model"
            if other is not None
            else f"{len(images.classes)} there and {len(labels)} in the model"
        )
        raise LabelsError(
            f"{folder}: {where} {what}; if its indices are those that the model was trained on, "
            f"pass --labels {folder / LABELS}"
        )
    assert images.masks is not None
    return tuple(
        MaskedPhoto(folder / image, folder / mask)
        for image, mask in zip(images.paths, images.masks, strict=True)
    )


def measure_masks(
    loaded: LoadedModel, job: ExportJob, photos: Sequence[MaskedPhoto], progress: Progress
) -> HeadAccuracy:
    """Mean IoU of the reference in fp32 and of the artifact, over readable photos.

    Over pixels at the size of the network's input, as in ``mobilevit-train``: of each mask what the
    network sees of the photo, its nearest pixels.

    Raises:
        ImageError: no photo can be read.
        VerificationError: the artifact loses more than ``--max-accuracy-drop`` percentage points.
    """
    classes, size = job.source.outputs, job.source.image_size
    labels_of = make_answer(job.source.model, "labels", size)
    totals = {name: np.zeros((classes, classes), np.int64) for name in ("reference", "artifact")}
    readable = 0
    for truth, logits, outputs in answered_batches(loaded, job, photos, lambda p: _load(job, p)):
        with torch.inference_mode():
            expected = labels_of(logits).numpy()
        for mask, wanted, output in zip(truth, expected, outputs, strict=True):
            for name, labels in (("reference", wanted), ("artifact", _labels(job, output))):
                totals[name] += _confusion(mask, labels, classes)
            readable += 1
        progress(f"measuring mean IoU: image {readable} of {len(photos)}")
    accuracy = HeadAccuracy(
        measure="mIoU",
        images=readable,
        unreadable=len(photos) - readable,
        reference=mean_iou(totals["reference"]),
        artifact=mean_iou(totals["artifact"]),
        max_drop=max_drop_of(job.options),
    )
    judge_drop(
        job,
        accuracy,
        f"mean IoU falls from {100 * accuracy.reference:.1f} to {100 * accuracy.artifact:.1f} % on "
        f"{readable} images",
    )
    return accuracy


def _load(job: ExportJob, photo: MaskedPhoto) -> tuple[Array, Pixels]:
    """The classes ``[H, W]`` and the pixels of what the network sees of a photo."""
    contract = job.network_input
    image = load_image(photo.image)
    height, width = contract.image_size
    mask = Image.fromarray(load_mask(photo.mask))
    seen = contract.seen((image.height, image.width))
    nearest = mask.resize((width, height), Image.Resampling.NEAREST, box=seen)
    return np.array(nearest), contract.resized(image)


def _labels(job: ExportJob, output: Array) -> Array:
    """The class of each pixel in one image's answer. ``[H, W]``."""
    match job.answer:
        case "labels":
            return output
        case "full-logits":
            return np.asarray(output.argmax(0))
        case _:
            head = job.source.spec.head
            assert isinstance(head, MaskSpec)
            size = job.source.image_size
            return masks.best_classes(output, size, head.resize, head.output_stride)


def _confusion(mask: Array, labels: Array, classes: int) -> Array:
    """``[H, W]`` both -> ``[actual, found]``, over the pixels that count."""
    counted = mask != IGNORED
    actual, found = (torch.from_numpy(part[counted].astype(np.int64)) for part in (mask, labels))
    return confusion_of(actual, found, classes).numpy()
