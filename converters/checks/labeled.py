"""What the user's ``--verify`` folder says about its photos, and measuring an artifact by it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from converters.checks.accuracy import LabeledImage, find_labeled, measure_accuracy
from converters.checks.box_accuracy import measure_boxes, require_pycocotools
from converters.checks.coco import BoxedPhotos, find_boxed
from converters.checks.mask_accuracy import MaskedPhoto, find_masked, measure_masks
from converters.job.job import ExportJob
from converters.job.options import ExportOptions
from converters.progress import Progress
from converters.targets.loaded import LoadedModel
from mobilevit_edge.errors import UsageError
from mobilevit_edge.formats.manifest import Accuracy, HeadAccuracy

Labeled: TypeAlias = tuple[LabeledImage, ...] | tuple[MaskedPhoto, ...] | BoxedPhotos
"""Photos with a class each, with masks, or with boxes."""


@dataclass(frozen=True)
class Measured:
    """What labeled photos have shown: nothing, or one of the two."""

    accuracy: Accuracy | None = None
    head_accuracy: HeadAccuracy | None = None


def find_labels(job: ExportJob, progress: Progress) -> Labeled:
    """What ``--verify`` knows of its photos that the model says; empty where it knows nothing.

    Raises:
        InputError: it knows something else; see :func:`find_labeled`, :func:`find_masked` and
            :func:`find_boxed`.
        MissingPackageError: boxes, without what measures them.
        UsageError: ``--max-accuracy-drop`` where nothing can measure it.
    """
    options, labels = job.options, job.source.labels
    found: Labeled = ()
    if options.verify is not None:
        folder = Path(options.verify)
        match job.task:
            case "segmentation":
                found = find_masked(folder, labels, progress)
            case "detection":
                found = find_boxed(folder, labels) or ()
            case _:
                found = find_labeled(folder, labels)
    check_gate(options, found)
    if isinstance(found, BoxedPhotos):
        require_pycocotools()
    return found


def check_gate(options: ExportOptions, labeled: Labeled) -> None:
    """Refuse a limit on the accuracy's drop where nothing can measure it.

    Raises:
        UsageError: ``--max-accuracy-drop`` without labeled images.
    """
    if options.max_accuracy_drop is not None and not labeled:
        raise UsageError(
            f"--max-accuracy-drop needs labeled images: a --verify folder with one folder for "
            f"every class, named after its label; for masks with images/, masks/ and labels.txt, "
            f"for boxes with a JSON file in COCO's format ({options.verify} is none)"
        )


def measure(loaded: LoadedModel, job: ExportJob, labeled: Labeled, progress: Progress) -> Measured:
    """How well artifact and reference do on labeled photos.

    Raises:
        ImageError: no photo can be read.
        VerificationError: the artifact loses more than ``--max-accuracy-drop`` percentage points.
    """
    if isinstance(labeled, BoxedPhotos):
        return Measured(head_accuracy=measure_boxes(loaded, job, labeled, progress))
    masked = [photo for photo in labeled if isinstance(photo, MaskedPhoto)]
    if masked:
        return Measured(head_accuracy=measure_masks(loaded, job, masked, progress))
    images = labeled_images(labeled)
    return Measured(measure_accuracy(loaded, job, images, progress) if images else None)


def labeled_images(labeled: Labeled) -> tuple[LabeledImage, ...]:
    """The photos that have a class each."""
    if isinstance(labeled, BoxedPhotos):
        return ()
    return tuple(image for image in labeled if isinstance(image, LabeledImage))
