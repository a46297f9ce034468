"""From a head's low-resolution logits to a mask of the image's size, as each code does it.

NumPy alone, so that answering needs no torch. Bilinear resizing is linear in each direction, hence
two products with small matrices.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mobilevit_edge.head_specs import MaskResize

Array: TypeAlias = npt.NDArray[Any]

_BAND: Final = 64
"""Rows of a mask that are made at a time."""


def bilinear_matrix(source: int, target: int, *, aligned: bool) -> Array:
    """What resizes a line of ``source`` values to ``target``. ``[target, source]`` float64.

    ``aligned`` puts the first and the last value of both lines on each other; otherwise all values
    are the centers of equal parts. As torch's ``interpolate`` with either ``align_corners``.
    """
    steps = np.arange(target)
    if aligned:
        places = steps * ((source - 1) / (target - 1)) if target > 1 else np.zeros(1)
    else:
        places = np.maximum((steps + 0.5) * source / target - 0.5, 0)
    left = np.minimum(places.astype(np.int64), source - 1)
    right = np.minimum(left + 1, source - 1)
    share = places - left
    matrix = np.zeros((target, source))
    np.add.at(matrix, (steps, left), 1 - share)
    np.add.at(matrix, (steps, right), share)
    return matrix


def resize_bilinear(maps: Array, size: tuple[int, int], *, aligned: bool) -> Array:
    """``[..., h, w] -> [..., *size]`` in the dtype of ``maps``."""
    if maps.shape[-2:] == size:
        return maps
    rows, columns = (
        bilinear_matrix(source, target, aligned=aligned).astype(maps.dtype)
        for source, target in zip(maps.shape[-2:], size, strict=True)
    )
    resized: Array = rows @ maps @ columns.T
    return resized


def resize_nearest(maps: Array, size: tuple[int, int]) -> Array:
    """``[..., h, w] -> [..., *size]``: each place takes the value at its corner, rounded down."""
    rows, columns = (
        np.arange(target) * source // target
        for source, target in zip(maps.shape[-2:], size, strict=True)
    )
    return maps[..., rows[:, None], columns]


def upsampled(logits: Array, rule: MaskResize, output_stride: int) -> Array:
    """Logits at the size of the network's input. ``[..., h, w] -> [..., s h, s w]``.

    Where a network rounds odd maps up to even ones, this is larger than the input.
    """
    height, width = logits.shape[-2:]
    size = (height * output_stride, width * output_stride)
    return resize_bilinear(logits, size, aligned=rule == "aligned")


def best_classes(
    logits: Array, size: tuple[int, int], rule: MaskResize, output_stride: int
) -> Array:
    """The best class of each pixel of :func:`resized`, a few rows at a time. ``[*size]`` int64.

    Logits of all classes at a photo's size would take hundreds of megabytes.
    """
    if rule == "half-pixel-nearest":
        enlarged = (logits.shape[-2] * output_stride, logits.shape[-1] * output_stride)
        # Choosing a class and choosing a neighbor may change places.
        return resize_nearest(_best(logits, enlarged, aligned=False), size)
    return _best(logits, size, aligned=rule == "aligned")


def _best(logits: Array, size: tuple[int, int], *, aligned: bool) -> Array:
    wide = resize_bilinear(logits, (logits.shape[-2], size[1]), aligned=aligned)
    rows = bilinear_matrix(logits.shape[-2], size[0], aligned=aligned).astype(logits.dtype)
    bands = [rows[start : start + _BAND] for start in range(0, size[0], _BAND)]
    return np.concatenate([(band @ wide).argmax(0) for band in bands])


def resized(logits: Array, size: tuple[int, int], rule: MaskResize, output_stride: int) -> Array:
    """Logits at the size of an image, ``(height, width)``. ``[..., h, w] -> [..., *size]``."""
    if rule == "half-pixel-nearest":
        return resize_nearest(upsampled(logits, rule, output_stride), size)
    return resize_bilinear(logits, size, aligned=rule == "aligned")
