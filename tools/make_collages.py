"""Make collages of small photos, with the mask of what each photo in them shows.

    python -m tools.make_collages CLASS_FOLDERS OUTPUT --count N --seed N

What the segmentation demo was trained on: ``docs/measurements/demo_model.md``. Up to three photos
of one object each, cut to squares with round corners or to ellipses, lie on another one that is
enlarged and blurred until nothing can be told in it, which is the background. The folder is what
``mobilevit-train`` reads.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mobilevit_edge.console import run_command
from mobilevit_edge.errors import ImageError
from mobilevit_edge.image_files import find_images
from mobilevit_edge.places import check_folder_place
from mobilevit_edge.preprocess import load_image
from tools.command import tool_parser

SIDE: Final = 128
_SIZES: Final = (44, 96)
"""Sides of a photo in the collage."""
_MOST: Final = 3
_EMPTY: Final = 0.05
"""Share of collages with nothing on them."""
_BLUR: Final = (5.0, 12.0)
_SHAPES: Final = ("square", "ellipse")


def parser() -> ArgumentParser:
    """The options."""
    parser = tool_parser(__doc__)
    parser.add_argument("photos", type=Path, metavar="CLASS_FOLDERS")
    parser.add_argument("output", type=Path, metavar="OUTPUT")
    parser.add_argument("--count", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    return parser


def command(arguments: Namespace) -> None:
    """Write images, masks and labels.

    Raises:
        ImageError: no photos in class folders.
        OutputError: something is at OUTPUT already.
    """
    photos = find_images(arguments.photos)
    classes = sorted({path.parent.name for path in photos})
    output = arguments.output
    check_folder_place(output)
    images, masks = output / "images", output / "masks"
    for folder in (images, masks):
        folder.mkdir(parents=True)
    (output / "labels.txt").write_text("\n".join(("background", *classes)) + "\n", "utf-8")
    for number in range(arguments.count):
        rng = np.random.default_rng((arguments.seed, number))
        image, mask = collage(photos, classes, rng)
        image.save(images / f"{number:05d}.jpg", quality=92)
        mask.save(masks / f"{number:05d}.png")


def collage(
    photos: Sequence[Path], classes: Sequence[str], rng: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """One collage, and its mask: 0 the background, then classes in their order from 1."""
    if not photos:
        raise ImageError("there are no photos to make a collage of")
    canvas = _random_photo(photos, rng)[1].resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    canvas = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(*_BLUR)))
    mask = Image.new("L", (SIDE, SIDE))
    count = 0 if rng.random() < _EMPTY else int(rng.integers(1, _MOST + 1))
    for _ in range(count):
        path, photo = _random_photo(photos, rng)
        side = int(rng.integers(*_SIZES))
        x, y = (int(at) for at in rng.integers(-side // 5, SIDE - 4 * side // 5, 2))
        cut = _shape(side, _SHAPES[int(rng.integers(len(_SHAPES)))])
        canvas.paste(photo.resize((side, side), Image.Resampling.BICUBIC), (x, y), cut)
        mask.paste(
            1 + classes.index(path.parent.name), (x, y), cut.point(lambda x: 255 * (x > 127))
        )
    return canvas, mask


def _random_photo(photos: Sequence[Path], rng: np.random.Generator) -> tuple[Path, Image.Image]:
    path = photos[int(rng.integers(len(photos)))]
    return path, load_image(path)


def _shape(side: int, kind: str) -> Image.Image:
    """What to keep of a square photo."""
    cut = Image.new("L", (side, side))
    pen = ImageDraw.Draw(cut)
    if kind == "ellipse":
        pen.ellipse((0, 0, side - 1, side - 1), fill=255)
    else:
        pen.rounded_rectangle((0, 0, side - 1, side - 1), side // 8, fill=255)
    return cut


if __name__ == "__main__":
    sys.exit(run_command(parser(), command, None))
