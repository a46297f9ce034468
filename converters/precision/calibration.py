"""The images that int8 is calibrated on: as many as help, from a folder of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from converters.job.job import ExportJob
from converters.progress import Progress
from mobilevit_edge.errors import CalibrationError, ImageError
from mobilevit_edge.image_files import find_images
from mobilevit_edge.input_contract import InputContract, Pixels
from mobilevit_edge.training.masks import photos_folder

MIN_IMAGES: Final = 8
MAX_IMAGES: Final = 128
_DYNAMIC_BATCH: Final = 2


@dataclass(frozen=True)
class CalibrationSet:
    """Inputs of the module to convert, each with its batch size of images.

    ``images`` counts the distinct images in them, ``unreadable`` the files that were skipped.
    """

    batches: tuple[Tensor, ...]
    images: int
    unreadable: int


def calibration_set(folder: Path, job: ExportJob, progress: Progress) -> CalibrationSet:
    """At most ``MAX_IMAGES`` images spread evenly over a folder, as the module's inputs.

    Files that are not readable images are skipped, and others take their place. With a batch size
    that does not divide the number of images, the last batch begins again with the first image.

    Args:
        folder: searched with everything below it.
        job: the export; a dynamic batch is calibrated with two images.
        progress: called with the image at hand.

    Raises:
        CalibrationError: no folder, no images, too few that can be read, or none that show
            anything.
    """
    if folder.is_file():
        raise CalibrationError(f"{folder} is a file; calibration needs a folder of images")
    try:
        paths = find_images(photos_folder(folder))
    except ImageError as error:
        raise CalibrationError(f"calibration: {error}") from error
    images, unreadable = _read(_spread(paths), job.module_input, progress)
    if not images:
        raise CalibrationError(f"none of the {len(paths)} images below {folder} can be read")
    if len(images) < MIN_IMAGES:
        raise CalibrationError(
            f"{folder} has {len(images)} readable images; calibration needs at least {MIN_IMAGES}"
        )
    if all(pixels.min() == pixels.max() for pixels in images):
        raise CalibrationError(
            f"every image below {folder} is of one color; calibrate on images like those that "
            f"the app will see"
        )
    size = job.options.batch or _DYNAMIC_BATCH
    batches = [
        job.module_input.batch_of([images[(start + i) % len(images)] for i in range(size)])
        for start in range(0, len(images), size)
    ]
    inputs = tuple(torch.from_numpy(batch) for batch in batches)
    return CalibrationSet(inputs, len(images), unreadable)


def _spread(paths: list[Path]) -> list[Path]:
    """The paths in another order, whose every beginning is spread over all of them.

    Folders of classes come one after the other, so the first images would be of one class.
    """
    chosen = dict.fromkeys(np.linspace(0, len(paths) - 1, MAX_IMAGES).round().astype(int).tolist())
    rest = [index for index in range(len(paths)) if index not in chosen]
    return [paths[index] for index in (*chosen, *rest)]


def _read(
    paths: list[Path], contract: InputContract, progress: Progress
) -> tuple[list[Pixels], int]:
    """The first ``MAX_IMAGES`` that can be read, sized for the network, and how many cannot."""
    images: list[Pixels] = []
    unreadable = 0
    wanted = min(len(paths), MAX_IMAGES)
    for path in paths:
        if len(images) == MAX_IMAGES:
            break
        progress(f"reading calibration image {len(images) + 1} of {wanted}")
        try:
            images.append(contract.load(path))
        except ImageError:
            unreadable += 1
    return images, unreadable
