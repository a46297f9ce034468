"""What a model takes as input, from checkpoint to manifest to apps, as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from mobilevit_edge.formats.manifest import InputInfo, Layout, Resize
from mobilevit_edge.normalization import NOT_NORMALIZED, Normalization, identity
from mobilevit_edge.preprocess import (
    CHANNELS,
    COLOR_ORDERS,
    ChannelOrder,
    Interpolation,
    Preprocessing,
    ResizeRule,
    arrange,
    cut_out,
    load_image,
    network_pixels,
    resize,
)

Pixels: TypeAlias = npt.NDArray[np.uint8]
Array: TypeAlias = npt.NDArray[Any]

BYTE_SCALE: Final = 1 / 255


@dataclass(frozen=True)
class InputContract:
    """How images become the input of a model.

    An image is resized (``resize``, ``interpolation``) to ``cover``, cut to ``image_size``,
    arranged in ``channel_order`` (gray is made of colors; alpha is opaque where an image has none),
    multiplied by ``scale``, and normalized: a mean is subtracted and the rest divided by a
    deviation. ``batch`` is the number of images of one call, ``None`` for any. ``provenance`` says
    where the values come from.

    Attributes:
        image_size: (height, width) of the images.
        cover: (height, width) that the resized image covers before it is cut.
        dynamic_size: whether it takes images of other sizes than ``image_size`` as well.
        dtype: ``uint8`` for bytes as a camera gives them, ``float32`` for scaled numbers.
    """

    image_size: tuple[int, int]
    batch: int | None
    dtype: Literal["float32", "uint8"]
    layout: Layout
    channel_order: ChannelOrder
    scale: float
    resize: ResizeRule
    interpolation: Interpolation
    cover: tuple[int, int]
    provenance: str
    normalization: Normalization = NOT_NORMALIZED
    dynamic_size: bool = False

    @property
    def channels(self) -> int:
        """Of one image of the input."""
        return CHANNELS[self.channel_order]

    @property
    def image_channels(self) -> int:
        """Of the images that it is made of: four with alpha, three without."""
        return max(self.channels, 3)

    @property
    def shape(self) -> tuple[int | None, int | None, int | None, int | None]:
        """Shape of one input; ``None`` where the batch or the size is dynamic."""
        height, width = (None, None) if self.dynamic_size else self.image_size
        return (
            (self.batch, self.channels, height, width)
            if self.layout == "NCHW"
            else (self.batch, height, width, self.channels)
        )

    def taking_pixels(self) -> InputContract:
        """The same input as unscaled bytes, ``[B, H, W, C]``, red first, as a camera gives them."""
        return replace(
            self,
            dtype="uint8",
            layout="NHWC",
            channel_order="RGB" if self.channel_order in COLOR_ORDERS else self.channel_order,
            scale=1.0,
            normalization=identity(self.channels),
        )

    def channels_last(self) -> InputContract:
        """The same input as ``[B, H, W, C]``, red first."""
        if self.channel_order not in COLOR_ORDERS or self.channel_order == "RGB":
            return replace(self, layout="NHWC")
        return replace(
            self, layout="NHWC", channel_order="RGB", normalization=self.normalization.reversed()
        )

    def without_std(self) -> InputContract:
        """The same input before it is divided by the deviations."""
        mean = self.normalization.mean
        return replace(self, normalization=Normalization(mean, (1.0,) * len(mean)))

    def resized(self, image: Image.Image) -> Pixels:
        """An RGB or RGBA image of any size -> ``[H, W, 3 or 4]`` bytes of ``image_size``."""
        cover = None if self.resize == "stretch" else self.cover
        return np.asarray(resize(image, self.image_size, cover, self.interpolation))

    def seen(self, photo: tuple[int, int]) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of what a photo of (height, width) pixels shows the model."""
        height, width = photo
        if self.resize == "stretch":
            return 0.0, 0.0, float(width), float(height)
        return cut_out(photo, self.image_size, self.cover)

    def load(self, path: Path) -> Pixels:
        """An image file -> ``[H, W, 3]`` RGB bytes of ``image_size``, or RGBA where it takes alpha.

        Raises:
            ImageError: it cannot be read.
        """
        return self.resized(load_image(path, alpha=self.channel_order == "RGBA"))

    def batch_of(self, images: Sequence[Pixels]) -> Array:
        """Images of ``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA bytes -> one input, in ``layout``."""
        if self.dtype == "uint8":
            return np.stack([arrange(pixels, self.channel_order) for pixels in images])
        # [H, W, 3 or 4] bytes -> [C, H, W] in 0..1, normalized -> [B, C, H, W]
        batch = np.stack(
            [network_pixels(pixels, self.channel_order, self.normalization) for pixels in images]
        )
        if self.layout == "NCHW":
            return batch
        # [B, C, H, W] -> [B, H, W, C]
        return np.ascontiguousarray(batch.transpose(0, 2, 3, 1))

    def repeated(self, pixels: Pixels) -> Array:
        """One image as an input of the fixed batch size; one image where the batch is dynamic."""
        return self.batch_of([pixels] * (self.batch or 1))

    def info(self, name: str) -> InputInfo:
        """The manifest's description of this input, called ``name`` in the artifact."""
        return InputInfo(
            name=name,
            dtype=self.dtype,
            layout=self.layout,
            shape=self.shape,
            channel_order=self.channel_order,
            scale=self.scale,
            mean=self.normalization.mean,
            std=self.normalization.std,
            resize=Resize(
                rule=self.resize,
                interpolation=self.interpolation,
                antialias=True,
                cover=self.cover,
            ),
            provenance=self.provenance,
        )


def network_input(
    preprocessing: Preprocessing, image_size: tuple[int, int], batch: int | None
) -> InputContract:
    """What the reference network takes: ``[B, C, H, W]`` fp32, channels as its weights expect."""
    crops = preprocessing.resize == "crop"
    return InputContract(
        image_size=image_size,
        batch=batch,
        dtype="float32",
        layout="NCHW",
        channel_order=preprocessing.channel_order,
        scale=BYTE_SCALE,
        resize=preprocessing.resize,
        interpolation=preprocessing.interpolation,
        cover=preprocessing.cover(image_size) if crops else image_size,
        provenance=preprocessing.provenance,
        normalization=preprocessing.normalization,
    )


def contract_of(info: InputInfo, image_size: tuple[int, int]) -> InputContract:
    """What a manifest says about its model's input."""
    return InputContract(
        image_size=image_size,
        batch=info.shape[0],
        dtype=info.dtype,
        layout=info.layout,
        channel_order=info.channel_order,
        scale=info.scale,
        resize=info.resize.rule,
        interpolation=info.resize.interpolation,
        cover=info.resize.cover,
        provenance=info.provenance,
        normalization=Normalization(info.mean, info.std),
        dynamic_size=info.shape[2] is None,
    )
