"""The inputs that an artifact is verified on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from converters.job.job import ExportJob
from mobilevit_edge.errors import ImageError
from mobilevit_edge.formats.golden import enlarge, golden_pixels
from mobilevit_edge.image_files import find_images
from mobilevit_edge.input_contract import InputContract, Pixels
from mobilevit_edge.training.masks import photos_folder

Item = TypeVar("Item")

_MAX_PHOTOS: Final = 32
_RANDOM_CASES: Final = 3
_SEED: Final = 20260


@dataclass(frozen=True)
class Case:
    """A named image at the network's size: ``[H, W, 3]`` RGB, or ``[H, W, 4]`` RGBA bytes."""

    name: str
    pixels: Pixels


def verification_cases(job: ExportJob) -> Iterator[Case]:
    """Noise, the golden pattern, and up to 32 photos spread over ``--verify``.

    Calibrated int8 holds for images like those it was calibrated on: only photos, of ``--verify``
    or else of ``--calibration``, where unreadable ones are passed over.
    """
    options, height, width = job.options, *job.source.image_size
    if not job.precision.calibrated:
        rng = np.random.default_rng(_SEED)
        channels = job.network_input.image_channels
        for index in range(_RANDOM_CASES):
            noise = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
            yield Case(f"noise {index}", noise)
        yield Case("golden", enlarge(golden_pixels(), (height, width)))
    if options.verify is not None:
        yield from _photos(Path(options.verify), job.network_input, skip_unreadable=False)
    elif options.calibration is not None:
        yield from _photos(Path(options.calibration), job.network_input, skip_unreadable=True)


def cases_at_other_sizes(job: ExportJob) -> Iterator[Case]:
    """The same inputs at every further size that the artifact takes."""
    for height, width in job.other_sizes:
        for case in verification_cases(job.at_size((height, width))):
            yield replace(case, name=f"{case.name} at {height}x{width}")


def spread(found: Sequence[Item], most: int) -> Sequence[Item]:
    """At most so many, at equal distances from the first on."""
    return found[:: max(1, -(-len(found) // most))]


def _photos(folder: Path, contract: InputContract, *, skip_unreadable: bool) -> Iterator[Case]:
    for path in spread(find_images(photos_folder(folder)), _MAX_PHOTOS):
        try:
            pixels = contract.load(path)
        except ImageError:
            if not skip_unreadable:
                raise
            continue
        yield Case(path.name, pixels)
