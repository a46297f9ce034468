"""Top-1 of an artifact and of the reference on the user's labeled images."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import torch

from converters.checks.numerics import next_step
from converters.job.job import ExportJob
from converters.job.options import ExportOptions
from converters.progress import Progress
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import ImageError, LabelsError, VerificationError
from mobilevit_edge.formats.manifest import Accuracy, HeadAccuracy
from mobilevit_edge.image_files import find_images
from mobilevit_edge.input_contract import Pixels

Image = TypeVar("Image")
Truth = TypeVar("Truth")

DEFAULT_MAX_DROP: Final = 1.0
"""Percentage points."""


@dataclass(frozen=True)
class LabeledImage:
    """An image file and the index of its class."""

    path: Path
    label: int


def find_labeled(folder: Path, labels: Sequence[str]) -> tuple[LabeledImage, ...]:
    """The images of a folder with one folder per class; none if no folder is named after a class.

    Names are compared in Unicode's composed form, which file systems do not keep alike.

    Raises:
        ImageError: no image there.
        LabelsError: some folders are classes of the model and others are not.
    """
    if not folder.is_dir():
        return ()
    index = index_of(labels)
    found = [(path, path.relative_to(folder).parts[0]) for path in find_images(folder)]
    names = {name for path, name in found if path.parent != folder}
    unknown = sorted(name for name in names if composed(name) not in index)
    if len(unknown) == len(names):
        return ()
    if unknown:
        raise unknown_names(folder, unknown, labels, "name every folder after one of its labels")
    return tuple(
        LabeledImage(path, index[composed(name)]) for path, name in found if path.parent != folder
    )


def measure_accuracy(
    loaded: LoadedModel, job: ExportJob, images: Sequence[LabeledImage], progress: Progress
) -> Accuracy:
    """Count right answers of the reference in fp32 and of the artifact, over readable images.

    Raises:
        ImageError: no image can be read.
        VerificationError: the artifact loses more than ``--max-accuracy-drop`` percentage points.
    """
    right = {"reference": 0, "artifact": 0}

    def load(image: LabeledImage) -> tuple[int, Pixels]:
        return image.label, job.network_input.load(image.path)

    readable = 0
    for truth, expected, outputs in answered_batches(loaded, job, images, load):
        labels = np.array(truth)
        right["reference"] += int((expected.argmax(1).numpy() == labels).sum())
        right["artifact"] += int((outputs.argmax(1) == labels).sum())
        readable += len(labels)
        progress(f"measuring accuracy: image {readable} of {len(images)}")
    accuracy = Accuracy(
        images=readable,
        unreadable=len(images) - readable,
        reference_correct=right["reference"],
        artifact_correct=right["artifact"],
        max_drop=max_drop_of(job.options),
    )
    fell = f"top-1 falls from {right['reference']} to {right['artifact']} of {readable} images"
    judge_drop(job, accuracy, fell)
    return accuracy


def max_drop_of(options: ExportOptions) -> float:
    """How many percentage points the artifact may lose."""
    asked = options.max_accuracy_drop
    return DEFAULT_MAX_DROP if asked is None else asked


def judge_drop(job: ExportJob, accuracy: Accuracy | HeadAccuracy, fell: str) -> None:
    """Refuse an artifact that loses too much.

    Args:
        job: the export.
        accuracy: what was measured.
        fell: what it loses in words.

    Raises:
        VerificationError: more than ``--max-accuracy-drop``.
    """
    if accuracy.drop > accuracy.max_drop:
        raise VerificationError(
            f"{fell}, {accuracy.drop:.1f} points in {job.precision.name}; allowed are "
            f"{accuracy.max_drop:g} (--max-accuracy-drop). {next_step(job.precision)}"
        )


def answered_batches(
    loaded: LoadedModel,
    job: ExportJob,
    images: Sequence[Image],
    load: Callable[[Image], tuple[Truth, Pixels]],
) -> Iterator[tuple[list[Truth], torch.Tensor, Array]]:
    """What is known of readable images, what the reference's network says, and the artifact.

    A batch at a time, in order.

    Args:
        loaded: the artifact.
        job: the export.
        images: whatever ``load`` takes.
        load: what is known of an image, and its pixels at the network's size; raises ImageError
            where it cannot be read.

    Raises:
        ImageError: no image can be read.
    """
    size = job.options.batch or 1
    found = False
    for truth, pixels in _batches(images, load, size):
        # The last batch may be short of images: repeat one, and leave its answers out.
        padded = [*pixels, *(pixels[-1:] * (size - len(pixels)))]
        outputs = loaded.run(job.artifact_input.batch_of(padded))[: len(pixels)]
        with torch.inference_mode():
            expected = job.source.model(torch.from_numpy(job.network_input.batch_of(pixels)))
        found = True
        yield truth, expected, outputs
    if not found:
        raise ImageError(f"none of the {len(images)} labeled images can be read")


def _batches(
    images: Sequence[Image], load: Callable[[Image], tuple[Truth, Pixels]], size: int
) -> Iterator[tuple[list[Truth], list[Pixels]]]:
    """Up to ``size`` readable images at a time."""
    truths: list[Truth] = []
    pixels: list[Pixels] = []
    for image in images:
        try:
            truth, loaded = load(image)
        except ImageError:
            continue
        truths.append(truth)
        pixels.append(loaded)
        if len(pixels) == size:
            yield truths, pixels
            truths, pixels = [], []
    if pixels:
        yield truths, pixels


def composed(name: str) -> str:
    """A name in Unicode's composed form, which file systems do not keep alike."""
    return unicodedata.normalize("NFC", name)


def index_of(labels: Sequence[str]) -> dict[str, int]:
    """Classes by their :func:`composed` labels."""
    return {composed(label): number for number, label in enumerate(labels)}


def unknown_names(
    folder: Path, unknown: Sequence[str], labels: Sequence[str], way_out: str
) -> LabelsError:
    """The error of names that are none of the model's labels."""
    close = difflib.get_close_matches(unknown[0], labels, n=1)
    return LabelsError(
        f"{folder}: {', '.join(map(repr, unknown[:5]))} "
        f"{'is' if len(unknown) == 1 else 'are'} not among this model's classes"
        f"{f' (did you mean {close[0]!r}?)' if close else ''}; {way_out}"
    )
