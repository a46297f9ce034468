"""The golden image of a bundle: small, made, and enlarged to the size of the model."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from mobilevit_edge.formats.manifest import Golden


def golden_pixels(rows: int = 16, columns: int = 16) -> npt.NDArray[np.uint8]:
    """A smooth colorful RGB pattern with an edge, ``[rows, columns, 3]`` bytes.

    The channels differ, so that a wrong channel order is noticed.
    """
    y, x = np.mgrid[0:rows, 0:columns]
    red = 255 * x // max(columns - 1, 1)
    green = 255 * y // max(rows - 1, 1)
    blue = np.where((x - columns / 2) ** 2 + (y - rows / 2) ** 2 < rows * columns / 8, 230, 20)
    return np.stack((red, green, blue), axis=-1).astype(np.uint8)


def encode_pixels(pixels: npt.NDArray[np.uint8]) -> str:
    """The bytes of an image as the manifest stores them."""
    return base64.b64encode(pixels.tobytes()).decode("ascii")


def golden_image(golden: Golden, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """The golden image enlarged to ``size`` (height, width) by repeating pixels: ``[H, W, 3]``."""
    raw: npt.NDArray[Any] = np.frombuffer(base64.b64decode(golden.pixels_base64), dtype=np.uint8)
    pixels = raw.reshape(golden.rows, golden.columns, 3)
    return enlarge(pixels, size)


def enlarge(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """``[rows, columns, 3] -> [H, W, 3]`` by repeating pixels."""
    rows = np.arange(size[0]) * pixels.shape[0] // size[0]
    columns = np.arange(size[1]) * pixels.shape[1] // size[1]
    return np.ascontiguousarray(pixels[rows][:, columns])
