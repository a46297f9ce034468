"""The one definition of how an image becomes the network's input.

Decode (EXIF orientation applied, converted to RGB, or to RGBA for networks of four channels),
resize with Pillow's antialiased filters, crop the center, arrange the channels as the weights
expect them, scale to 0..1, and normalize: the published MobileViTs were trained without a mean,
most fine-tuned ones with one.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from mobilevit_edge.disguises import HEAD_BYTES, disguise, is_heif
from mobilevit_edge.errors import ImageError, UsageError
from mobilevit_edge.image_files import opened_image
from mobilevit_edge.normalization import NOT_NORMALIZED, Normalization
from mobilevit_edge.reading import open_regular
from mobilevit_edge.specs import MIN_IMAGE_SIZE

ChannelOrder: TypeAlias = Literal["RGB", "BGR", "GRAY", "RGBA"]
Interpolation: TypeAlias = Literal["bilinear", "bicubic"]
ResizeRule: TypeAlias = Literal["crop", "stretch"]

CHANNELS: Final[Mapping[ChannelOrder, int]] = {"RGB": 3, "BGR": 3, "GRAY": 1, "RGBA": 4}
"""The number of channels of each order."""
COLOR_ORDERS: Final[tuple[ChannelOrder, ...]] = ("RGB", "BGR")
"""What a network of three channels may take; of others there is one for each number."""

MAX_IMAGE_BYTES: Final = 1024**3
"""Largest image file: 128 megapixels of four channels of 16 bits, not compressed."""
MAX_IMAGE_SIZE: Final = 2048
MAX_COVER: Final = 4
"""Times the image size that an image may cover before its center is cut out."""
_LONG_STRIP: Final = 64
"""A side this many times longer than it need be makes an image that is not scaled as a whole."""

_EXIF_TRANSPOSE: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that turns an image of each EXIF orientation upright."""

_FILTERS: Final = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True)
class Preprocessing:
    """What a checkpoint's source does to an image.

    ``resize="crop"`` scales the image, keeping its proportions, until it just covers
    ``size / crop_fraction``, and takes the center; ``"stretch"`` scales straight to the size.
    ``image_size`` (height, width) is the size that the source evaluates at. ``provenance`` says
    where the values come from, for the manifest. ``normalization`` is in the order of the model's
    channels.
    """

    channel_order: ChannelOrder
    resize: ResizeRule
    interpolation: Interpolation
    crop_fraction: float
    image_size: tuple[int, int]
    provenance: str
    normalization: Normalization = NOT_NORMALIZED

    def cover(self, size: tuple[int, int]) -> tuple[int, int]:
        """What the scaled image must cover before ``size`` (height, width) is cut from it."""
        # 1e-6: 256 / (256 / 288) is meant to be 288, not 287.99....
        height, width = (math.floor(side / self.crop_fraction + 1e-6) for side in size)
        return height, width


def parse_image_size(text: str) -> tuple[int, int]:
    """``"256"`` or ``"192x320"`` (height x width) as (height, width).

    Raises:
        UsageError: not whole numbers, or out of range.
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(re.fullmatch("[0-9]{1,6}", part) for part in parts):
        raise UsageError(
            f"image size {text!r} is not a whole number or HxW, such as 256 or 192x320"
        )
    sides = [int(part) for part in parts]
    for side in sides:
        if not MIN_IMAGE_SIZE <= side <= MAX_IMAGE_SIZE:
            raise UsageError(
                f"image size {text!r} is out of range: each side must be between "
                f"{MIN_IMAGE_SIZE} (the network halves it five times) and {MAX_IMAGE_SIZE}"
            )
    return sides[0], sides[-1]


def load_image(path: str | Path, *, alpha: bool = False) -> Image.Image:
    """An image file as upright 8-bit RGB, or RGBA with ``alpha``.

    Otherwise alpha is dropped. Palettes, grayscale, CMYK and 16-bit grayscale are converted, as the
    training pipelines do it.

    Raises:
        ImageError: missing, unreadable, no regular file, or larger than 128 megapixels (judged by
            its header).
    """
    with open_regular(path, MAX_IMAGE_BYTES, ImageError) as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        what = disguise(head)
        if what is not None:
            raise ImageError(f"{path} is {what}")
        if is_heif(head):
            _read_heif(path)
        with opened_image(file, path) as image:
            image.load()
            return _in_bytes(_upright(image)).convert("RGBA" if alpha else "RGB")


def _read_heif(path: str | Path) -> None:
    """Let Pillow read HEIC, from now on, by the package that knows how."""
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError as error:
        raise ImageError(
            f"{path} is a HEIC image, whatever its name: install the package that reads it "
            f"(pip install pillow-heif), or save it as JPEG"
        ) from error


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says; other EXIF entries may be damaged."""
    turn = _EXIF_TRANSPOSE.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if turn is None else image.transpose(turn)


def _in_bytes(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel, whatever its channels are."""
    if image.mode.startswith("I;16"):
        # Pillow would clip 16-bit gray to 255: keep its high byte instead.
        gray = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        image = Image.fromarray(gray)
    elif image.mode in ("I", "F"):
        raise ValueError(f"32-bit pixels (mode {image.mode}) have no defined brightness range")
    return image


def resize_and_crop(
    image: Image.Image, preprocessing: Preprocessing, size: tuple[int, int]
) -> Image.Image:
    """``image`` at exactly ``size`` (height, width) by the source's resize rule."""
    cover = None if preprocessing.resize == "stretch" else preprocessing.cover(size)
    return resize(image, size, cover, preprocessing.interpolation)


def resize(
    image: Image.Image,
    size: tuple[int, int],
    cover: tuple[int, int] | None,
    interpolation: Interpolation,
) -> Image.Image:
    """``image`` at exactly ``size`` (height, width).

    Args:
        image: RGB or RGBA, of any size.
        size: (height, width) of the result.
        cover: (height, width) that the image is scaled to cover, keeping its proportions, before
            its center is cut out; ``None`` scales straight to ``size``.
        interpolation: the filter, antialiased.
    """
    if image.mode == "RGBA":
        # Pillow would weigh colors by alpha, and nothing before or after does.
        color, alpha = image.convert("RGB"), image.getchannel("A")
        resized = [resize(part, size, cover, interpolation) for part in (color, alpha)]
        return Image.merge("RGBA", (*resized[0].split(), resized[1]))
    height, width = size
    filter_ = _FILTERS[interpolation]
    if cover is None:
        return _resample(image, (width, height), filter_, (0, 0, *image.size))
    photo = (image.height, image.width)
    scaled = _scaled(photo, size, cover)
    left, top = (scaled[0] - width) // 2, (scaled[1] - height) // 2
    if max(scaled) > _LONG_STRIP * max(size):
        # Scale only the part that survives the crop.
        box = cut_out(photo, size, cover)
        return _resample(image, (width, height), filter_, box)
    scaled_image = _resample(image, scaled, filter_, (0, 0, *image.size))
    return scaled_image.crop((left, top, left + width, top + height))


def _scaled(
    photo: tuple[int, int], size: tuple[int, int], cover: tuple[int, int]
) -> tuple[int, int]:
    """(width, height) of a photo of (height, width) when it is scaled to cover ``cover``."""
    (height, width), (cover_height, cover_width) = photo, cover
    if height * cover_width >= width * cover_height:
        # The width decides: the scaled image covers the height as well.
        return cover_width, max(cover_width * height // width, size[0])
    return max(cover_height * width // height, size[1]), cover_height


def cut_out(
    photo: tuple[int, int], size: tuple[int, int], cover: tuple[int, int]
) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) in a photo's own pixels of the part that :func:`resize` keeps.

    Args:
        photo: (height, width) of the photo.
        size: (height, width) that is cut out.
        cover: (height, width) that the scaled photo covers.
    """
    scaled = _scaled(photo, size, cover)
    left, top = (scaled[0] - size[1]) // 2, (scaled[1] - size[0]) // 2
    kx, ky = photo[1] / scaled[0], photo[0] / scaled[1]
    return left * kx, top * ky, (left + size[1]) * kx, (top + size[0]) * ky


def _resample(
    image: Image.Image,
    size: tuple[int, int],
    filter_: Image.Resampling,
    box: tuple[float, float, float, float],
) -> Image.Image:
    """The part ``box`` of an image at ``size`` (width, height): columns first, then rows.

    One pass at a time, since each rounds to bytes and Pillow's own order depends on its version and
    on the shape. A long strip goes rows first, which bounds what lies between the passes.
    """
    width, height = size
    left, top, right, bottom = box
    if image.height > _LONG_STRIP * image.width:
        rows = image.resize((image.width, height), filter_, box=(0, top, image.width, bottom))
        return rows.resize(size, filter_, box=(left, 0, right, height))
    columns = image.resize((width, image.height), filter_, box=(left, 0, right, image.height))
    return columns.resize(size, filter_, box=(0, top, width, bottom))


def preprocess_image(
    image: Image.Image, preprocessing: Preprocessing, size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """An RGB or RGBA image as the network's input: ``[C, H, W]`` float32."""
    pixels = np.asarray(resize_and_crop(image, preprocessing, size))
    return network_pixels(pixels, preprocessing.channel_order, preprocessing.normalization)


def network_pixels(
    pixels: npt.NDArray[np.uint8], channel_order: ChannelOrder, normalization: Normalization
) -> npt.NDArray[np.float32]:
    """``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA bytes -> the network's ``[C, H, W]`` float32."""
    return normalize(scale_pixels(pixels, channel_order), normalization)


def normalize(
    pixels: npt.NDArray[np.float32], normalization: Normalization
) -> npt.NDArray[np.float32]:
    """``[C, H, W]`` float32 in 0..1, channels ordered -> the same, normalized."""
    if normalization.is_identity:
        return pixels
    # [C] -> [C, 1, 1], over [C, H, W]
    mean, std = (
        np.array(values, np.float32)[:, None, None]
        for values in (normalization.mean, normalization.std)
    )
    normalized: npt.NDArray[np.float32] = (pixels - mean) / std
    return normalized


def arrange(pixels: npt.NDArray[np.uint8], channel_order: ChannelOrder) -> npt.NDArray[np.uint8]:
    """``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA bytes -> ``[H, W, C]`` bytes in ``channel_order``.

    Gray is ITU-R BT.601's luma, as Pillow rounds it, which leaves gray images as they are. What has
    no alpha is opaque.
    """
    match channel_order:
        case "RGB":
            return pixels[:, :, :3]
        case "BGR":
            return pixels[:, :, 2::-1]
        case "GRAY":
            red, green, blue = (pixels[:, :, index].astype(np.uint32) for index in range(3))
            luma = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
            return luma.astype(np.uint8)[:, :, None]
        case "RGBA":
            opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
            return pixels if pixels.shape[2] == 4 else np.concatenate((pixels, opaque), axis=2)


def scale_pixels(
    pixels: npt.NDArray[np.uint8], channel_order: ChannelOrder
) -> npt.NDArray[np.float32]:
    """``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA bytes -> ``[C, H, W]`` float32 in 0..1, ordered."""
    scaled: npt.NDArray[Any] = arrange(pixels, channel_order).astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))
