"""Photos with what was found in them: a mask in the colors of its classes, or boxes, and names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from converters.classifier import Prediction
from converters.dense_answers import MAX_SIDE
from mobilevit_edge.errors import OutputError, UsageError
from mobilevit_edge.files import write_atomically
from mobilevit_edge.formats.bundle import Bundle
from mobilevit_edge.preprocess import load_image
from mobilevit_edge.printable import one_line

_MASK_SHARE: Final = 0.5
"""Of a pixel's color that is the mask's, as CVNets draws it."""
_SHOWN_BOXES: Final = 100
_SURE: Final = 0.3
"""The least probability of a box that is drawn: hundreds of unlikely ones would hide the photo."""
_LEGEND_ROWS: Final = 20
_LEAST_SHARE: Final = 0.005
"""Of the pixels: what would be rounded to nothing is nothing that anyone could see."""
_MAX_NAME: Final = 40


def check_overlay(folder: Path, bundle: Bundle) -> None:
    """Refuse what cannot be drawn, or drawn there, before anything is answered.

    Raises:
        UsageError: the bundle has no masks or boxes.
        OutputError: ``folder`` is not one.
    """
    if bundle.manifest.head is None:
        raise UsageError(f"{bundle.path} classifies images: leave out --overlay")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is not a folder: name another one for the overlays")


def write_overlays(
    folder: Path, bundle: Bundle, predictions: Sequence[Prediction]
) -> tuple[Path, ...]:
    """Draw every photo to ``folder``, as a PNG of its name; the files that were written.

    Raises:
        OutputError: a file of that name is there already, or cannot be written.
    """
    paths = _names(folder, [Path(prediction.image) for prediction in predictions])
    taken = [path for path in paths if path.exists()]
    if taken:
        raise OutputError(f"{taken[0]} exists already: name another folder for the overlays")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error
    for path, prediction in zip(paths, predictions, strict=True):
        picture = draw(load_image(prediction.image), bundle, prediction)
        write_atomically(path, lambda temporary, p=picture: p.save(temporary, format="PNG"))  # type: ignore[misc]
    return tuple(paths)


def _names(folder: Path, images: Sequence[Path]) -> list[Path]:
    """A file for each image; images of one name in several folders are numbered."""
    names: list[str] = []
    for image in images:
        name, number = image.stem, 1
        while name in names:
            number += 1
            name = f"{image.stem}-{number}"
        names.append(name)
    return [folder / f"{name}.png" for name in names]


def draw(photo: Image.Image, bundle: Bundle, prediction: Prediction) -> Image.Image:
    """The photo with its mask or boxes, scaled down to the mask's size."""
    if prediction.mask is not None:
        return _with_mask(photo, bundle, prediction)
    return _with_boxes(photo, bundle, prediction)


def _colors(bundle: Bundle) -> np.ndarray:
    assert bundle.manifest.head is not None
    return np.array(bundle.manifest.head.colors, np.uint8)


def _with_mask(photo: Image.Image, bundle: Bundle, prediction: Prediction) -> Image.Image:
    assert prediction.mask is not None
    labels = prediction.mask.labels
    picture = np.asarray(photo.resize((labels.shape[1], labels.shape[0]))).astype(np.float32)
    seen = labels >= 0
    # [H, W] -> [H, W, 3]
    colors = _colors(bundle)[labels.clip(min=0)].astype(np.float32)
    picture[seen] += _MASK_SHARE * (colors[seen] - picture[seen])
    drawn = Image.fromarray(picture.round().astype(np.uint8))
    names = [
        (score.index, f"{score.probability:.0%} {score.label}")
        for score in prediction.classes
        if score.probability >= _LEAST_SHARE
    ]
    _draw_legend(drawn, bundle, names[:_LEGEND_ROWS])
    return drawn


def _draw_legend(picture: Image.Image, bundle: Bundle, rows: Sequence[tuple[int, str]]) -> None:
    """Colors and names in the upper left corner, as many as there is room for."""
    pen = ImageDraw.Draw(picture, "RGBA")
    font, step = _font(picture)
    colors = _colors(bundle)
    fitting = rows[: max(picture.height // step - 1, 0)]
    names = [_name(text) for _, text in fitting]
    if not fitting:
        return
    width = 2 * step + max(int(pen.textlength(name, font=font)) for name in names)
    pen.rectangle((0, 0, width, step * len(fitting) + step // 2), fill=(0, 0, 0, 160))
    for row, ((index, _), name) in enumerate(zip(fitting, names, strict=True)):
        top = row * step + step // 4
        color = tuple(int(value) for value in colors[index])
        box = (step // 4, top + step // 8, step, top + step - step // 8)
        pen.rectangle(box, fill=color, outline=(255, 255, 255))
        pen.text((step + step // 2, top), name, fill=(255, 255, 255), font=font)


def _with_boxes(photo: Image.Image, bundle: Bundle, prediction: Prediction) -> Image.Image:
    scale = min(1.0, MAX_SIDE / max(photo.size))
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    picture = photo.resize(size)
    pen = ImageDraw.Draw(picture)
    font, step = _font(picture)
    colors = _colors(bundle)
    shown = [found for found in prediction.detections if found.probability >= _SURE]
    # The surest last, on top of the others.
    for found in reversed(shown[:_SHOWN_BOXES]):
        color = tuple(int(value) for value in colors[found.index])
        corners = [value * scale for value in found.box]
        pen.rectangle(corners, outline=color, width=max(2, step // 8))
        name = _name(f"{found.probability:.0%} {found.label}")
        width = pen.textlength(name, font=font)
        # Inside the picture, where the box is at its upper or right edge.
        left, top = max(min(corners[0], picture.width - width), 0), max(corners[1] - step, 0)
        pen.rectangle((left, top, left + width, top + step), fill=color)
        bright = sum(color) > 3 * 128
        pen.text((left, top), name, fill=(0, 0, 0) if bright else (255, 255, 255), font=font)
    return picture


def _font(picture: Image.Image) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, int]:
    """A font, and the height of a line, for a picture of this size."""
    size = max(10, min(picture.size) // 32)
    return ImageFont.load_default(size), round(size * 1.3)


def _name(text: str) -> str:
    shown = one_line(text)
    return shown if len(shown) <= _MAX_NAME else f"{shown[: _MAX_NAME - 3]}..."
