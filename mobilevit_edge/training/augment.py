"""Random crops, flips and RandAugment-style operations on Pillow images.

Each image's random stream depends only on (seed, epoch, index, repeat): workers, ranks and
interruptions cannot change what an image looks like in an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from mobilevit_edge.training.recipe import Recipe

Operation: TypeAlias = Callable[[Image.Image, float], Image.Image]
"""Of a strength from -1 to 1."""

_STREAM: Final = 3
_ATTEMPTS: Final = 10
_GRAY: Final = (128, 128, 128)
_BILINEAR: Final = Image.Resampling.BILINEAR

_MAX_SHIFT: Final = 0.3
_MAX_SHEAR: Final = 0.3
_MAX_DEGREES: Final = 30.0
_MAX_ENHANCE: Final = 0.9


def stream(seed: int, epoch: int, index: int, repeat: int) -> np.random.Generator:
    """The random numbers of one image in one epoch."""
    return np.random.default_rng((seed, epoch, _STREAM, index, repeat))


def augment(
    image: Image.Image, size: tuple[int, int], recipe: Recipe, rng: np.random.Generator
) -> Image.Image:
    """A random view of ``image`` at ``size`` (height, width).

    Operations run on the smaller of the crop and the result, which is cheaper.
    """
    box = crop_box(image.size, recipe.crop_scale, recipe.crop_ratio, rng)
    flips = recipe.flip and rng.random() < 0.5
    height, width = size
    if (box[2] - box[0]) * (box[3] - box[1]) < height * width:
        image = apply_operations(image.crop(box), recipe.operations, recipe.magnitude, rng)
        image = image.resize((width, height), _BILINEAR)
    else:
        image = image.resize((width, height), _BILINEAR, box=box)
        image = apply_operations(image, recipe.operations, recipe.magnitude, rng)
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flips else image


def augment_pair(
    image: Image.Image,
    mask: Image.Image,
    size: tuple[int, int],
    recipe: Recipe,
    rng: np.random.Generator,
) -> tuple[Image.Image, Image.Image]:
    """The same random view, at ``size`` (height, width), of an image and its mask of indices.

    Operations are those that leave every pixel at its place.
    """
    box = crop_box(image.size, recipe.crop_scale, recipe.crop_ratio, rng)
    flips = recipe.flip and rng.random() < 0.5
    side = (size[1], size[0])
    image = image.resize(side, _BILINEAR, box=box)
    image = apply_operations(image, recipe.operations, recipe.magnitude, rng, _IN_PLACE)
    mask = mask.resize(side, Image.Resampling.NEAREST, box=box)
    if flips:
        turn = Image.Transpose.FLIP_LEFT_RIGHT
        return image.transpose(turn), mask.transpose(turn)
    return image, mask


def crop_box(
    size: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[int, int, int, int]:
    """A box (left, top, right, bottom) of random area and aspect (Inception's crop).

    Szegedy et al. 2014, arXiv:1409.4842, section 6. If no attempt fits inside the image's ``size``
    (width, height), the box is the largest centered one within ``ratio``.
    """
    width, height = size
    for _ in range(_ATTEMPTS):
        area = width * height * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left = int(rng.integers(width - w + 1))
            top = int(rng.integers(height - h + 1))
            return left, top, left + w, top + h
    w = max(1, min(width, round(height * ratio[1])))
    h = max(1, min(height, round(width / ratio[0])))
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def apply_operations(
    image: Image.Image,
    operations: int,
    magnitude: float,
    rng: np.random.Generator,
    choices: Sequence[Operation] | None = None,
) -> Image.Image:
    """``operations`` random ones of ``choices`` in sequence, each at most ``magnitude`` strong.

    RandAugment (Cubuk et al. 2019, arXiv:1909.13719, section 3) with strengths drawn uniformly up
    to ``magnitude`` and with either sign.
    """
    among = _OPERATIONS if choices is None else choices
    for _ in range(operations):
        operation = among[int(rng.integers(len(among)))]
        image = operation(image, magnitude * rng.uniform(-1.0, 1.0))
    return image


def _affine(
    image: Image.Image, coefficients: tuple[float, float, float, float, float, float]
) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, coefficients, _BILINEAR, fillcolor=_GRAY
    )


def _identity(image: Image.Image, strength: float) -> Image.Image:
    return image


def _shift_x(image: Image.Image, strength: float) -> Image.Image:
    return _affine(image, (1, 0, _MAX_SHIFT * strength * image.width, 0, 1, 0))


def _shift_y(image: Image.Image, strength: float) -> Image.Image:
    return _affine(image, (1, 0, 0, 0, 1, _MAX_SHIFT * strength * image.height))


def _shear_x(image: Image.Image, strength: float) -> Image.Image:
    shear = _MAX_SHEAR * strength
    return _affine(image, (1, shear, -shear * image.height / 2, 0, 1, 0))


def _shear_y(image: Image.Image, strength: float) -> Image.Image:
    shear = _MAX_SHEAR * strength
    return _affine(image, (1, 0, 0, shear, 1, -shear * image.width / 2))


def _rotate(image: Image.Image, strength: float) -> Image.Image:
    return image.rotate(_MAX_DEGREES * strength, _BILINEAR, fillcolor=_GRAY)


def _brightness(image: Image.Image, strength: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1 + _MAX_ENHANCE * strength)


def _contrast(image: Image.Image, strength: float) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(1 + _MAX_ENHANCE * strength)


def _color(image: Image.Image, strength: float) -> Image.Image:
    return ImageEnhance.Color(image).enhance(1 + _MAX_ENHANCE * strength)


def _sharpness(image: Image.Image, strength: float) -> Image.Image:
    return ImageEnhance.Sharpness(image).enhance(1 + _MAX_ENHANCE * strength)


def _posterize(image: Image.Image, strength: float) -> Image.Image:
    return ImageOps.posterize(image, 8 - round(4 * abs(strength)))


def _solarize(image: Image.Image, strength: float) -> Image.Image:
    return ImageOps.solarize(image, 256 - round(256 * abs(strength)))


def _equalize(image: Image.Image, strength: float) -> Image.Image:
    return ImageOps.equalize(image)


def _autocontrast(image: Image.Image, strength: float) -> Image.Image:
    return ImageOps.autocontrast(image)


_MOVING: Final[tuple[Operation, ...]] = (_shift_x, _shift_y, _shear_x, _shear_y, _rotate)
_RECOLORING: Final[tuple[Operation, ...]] = (
    _brightness,
    _contrast,
    _color,
    _sharpness,
    _posterize,
    _solarize,
    _equalize,
    _autocontrast,
)
_OPERATIONS: Final = (_identity, *_MOVING, *_RECOLORING)
_IN_PLACE: Final = (_identity, *_RECOLORING)
