"""Top-1 of an artifact and of the reference on the user's labeled images."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from converters.checks.numerics import next_step
from converters.job.job import ExportJob
from converters.job.options import ExportOptions
from converters.progress import Progress
from converters.targets.loaded import LoadedModel
from mobilevit_edge.errors import ImageError, LabelsError, UsageError, VerificationError
from mobilevit_edge.formats.bundle import Accuracy
from mobilevit_edge.image_files import find_images
from mobilevit_edge.input_contract import InputContract, Pixels

DEFAULT_MAX_DROP: Final = 1.0
"""Percentage points of top-1."""


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
    index = {_composed(label): number for number, label in enumerate(labels)}
    found = [(path, path.relative_to(folder).parts[0]) for path in find_images(folder)]
    names = {name for path, name in found if path.parent != folder}
    unknown = sorted(name for name in names if _composed(name) not in index)
    if len(unknown) == len(names):
        return ()
    if unknown:
        raise LabelsError(
            f"{folder}: {', '.join(repr(name) for name in unknown[:5])} "
            f"{'is' if len(unknown) == 1 else 'are'} not among this model's classes"
            f"{_nearest(unknown[0], labels)}; name every folder after one of its labels"
        )
    return tuple(
        LabeledImage(path, index[_composed(name)]) for path, name in found if path.parent != folder
    )


def check_gate(options: ExportOptions, images: Sequence[LabeledImage]) -> None:
    """Refuse a limit on the accuracy's drop where nothing can measure it.

    Raises:
        UsageError: ``--max-accuracy-drop`` without labeled images.
    """
    if options.max_accuracy_drop is not None and not images:
        raise UsageError(
            f"--max-accuracy-drop needs labeled images: a --verify folder with one folder for "
            f"every class, named after its label ({options.verify} has none)"
        )


def measure_accuracy(
    loaded: LoadedModel, job: ExportJob, images: Sequence[LabeledImage], progress: Progress
) -> Accuracy:
    """Count right answers of the reference in fp32 and of the artifact, over readable images.

    Raises:
        ImageError: no image can be read.
        VerificationError: the artifact loses more than ``--max-accuracy-drop`` percentage points.
    """
    asked = job.options.max_accuracy_drop
    max_drop = DEFAULT_MAX_DROP if asked is None else asked
    right = {"reference": 0, "artifact": 0}
    readable = 0
    size = job.options.batch or 1
    for labels, pixels in _batches(images, job.network_input, size):
        # The last batch may be short of images: repeat one, and leave its answers out.
        padded = [*pixels, *(pixels[-1:] * (size - len(pixels)))]
        outputs = loaded.run(job.artifact_input.batch_of(padded))
        with torch.inference_mode():
            expected = job.source.model(torch.from_numpy(job.network_input.batch_of(pixels)))
        right["reference"] += int((expected.argmax(1).numpy() == labels).sum())
        right["artifact"] += int((outputs[: len(pixels)].argmax(1) == labels).sum())
        readable += len(pixels)
        progress(f"measuring accuracy: image {readable} of {len(images)}")
    if not readable:
        raise ImageError(f"none of the {len(images)} labeled images can be read")
    accuracy = Accuracy(
        images=readable,
        unreadable=len(images) - readable,
        reference_correct=right["reference"],
        artifact_correct=right["artifact"],
        max_drop=max_drop,
    )
    if accuracy.drop > max_drop:
        raise VerificationError(
            f"top-1 falls from {right['reference']} to {right['artifact']} of {readable} images, "
            f"{accuracy.drop:.1f} points in {job.precision.name}; allowed are {max_drop:g} "
            f"(--max-accuracy-drop). {next_step(job.precision)}"
        )
    return accuracy


def _batches(
    images: Sequence[LabeledImage], contract: InputContract, size: int
) -> Iterator[tuple[np.ndarray, list[Pixels]]]:
    """Labels and pixels of up to ``size`` readable images at a time."""
    labels: list[int] = []
    pixels: list[Pixels] = []
    for image in images:
        try:
            pixels.append(contract.load(image.path))
        except ImageError:
            continue
        labels.append(image.label)
        if len(pixels) == size:
            yield np.array(labels), pixels
            labels, pixels = [], []
    if pixels:
        yield np.array(labels), pixels


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _nearest(name: str, labels: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, labels, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
