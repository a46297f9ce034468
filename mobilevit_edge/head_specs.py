"""Heads for masks and boxes as data, and the backbones that they stand on; no torch here.

Sources: DeepLabV3 (Chen et al. 2017, arXiv:1706.05587), PSPNet (Zhao et al. 2017,
arXiv:1612.01105), SSD (Liu et al. 2016, arXiv:1512.02325) with the depthwise heads of MobileNetV2
(Sandler et al. 2018, section 6.2), as the MobileViT papers use them (V1 section 4.2, V2 section
4.2). Widths and rates follow the released configurations of CVNets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

HeadName: TypeAlias = Literal["deeplabv3", "pspnet", "ssdlite"]
HEADS: Final[tuple[HeadName, ...]] = get_args(HeadName)
OutputStride: TypeAlias = Literal[8, 16, 32]
"""Pixels of the image to one of a mask's logits: 32 leaves the backbone as it is."""
OUTPUT_STRIDES: Final[tuple[OutputStride, ...]] = get_args(OutputStride)
MaskResize: TypeAlias = Literal["aligned", "half-pixel", "half-pixel-nearest"]
"""How a code resizes the logits of a mask, bilinearly, to the size of the image.

``"aligned"`` once, with aligned corners (CVNets from v0.2); ``"half-pixel"`` once, with centers of
pixels (transformers); ``"half-pixel-nearest"`` to the output stride times their size, with centers
of pixels, and from there to the nearest (CVNets v0.1).
"""
MASK_RESIZES: Final[tuple[MaskResize, ...]] = get_args(MaskResize)

RATES: Final[Mapping[OutputStride, tuple[int, int, int]]] = {
    8: (12, 24, 36),
    16: (6, 12, 18),
    32: (6, 12, 18),
}
"""Dilations of DeepLabV3's convolutions, by output stride (its section 3.3; 32: transformers)."""
SEGMENTATION_CLASSES: Final = 21
"""PASCAL VOC's 20 classes and the background."""
DETECTION_CLASSES: Final = 81
"""COCO's 80 classes, and the background first."""
_NARROW, _WIDE = 256, 512


@dataclass(frozen=True)
class DeepLabV3Spec:
    """Atrous spatial pyramid pooling on the last map, of ``width`` channels, then a classifier.

    ``rates`` are the dilations of its three 3x3 convolutions.
    """

    output_stride: OutputStride
    width: int
    rates: tuple[int, int, int]
    resize: MaskResize
    name: Literal["deeplabv3"] = "deeplabv3"


@dataclass(frozen=True)
class PSPNetSpec:
    """Pyramid pooling on the last map, fused to ``width`` channels, then a classifier."""

    output_stride: OutputStride
    resize: MaskResize
    width: int = _WIDE
    pool_sizes: tuple[int, ...] = (1, 2, 3, 6)
    name: Literal["pspnet"] = "pspnet"


@dataclass(frozen=True)
class SSDLiteSpec:
    """Single-shot detection on six maps: two of the backbone's, three after it, and their mean.

    Attributes:
        extra: channels of the maps of half the size each that follow the backbone's last.
        pooled: channels of the last map, which is one pixel.
        projections: channels that each map is brought to before it is read.
        ratios: aspect ratios of each map's anchors, besides 1.
        scales: of the first map's anchors, and one map beyond the last, as a share of the image.
        center_variance: unit of a box's offset, in sides of its anchor.
        size_variance: unit of the logarithm of a box's size relative to its anchor.
    """

    extra: tuple[int, ...] = (256, 128, 128)
    pooled: int = 64
    projections: tuple[int, ...] = (512, 256, 256, 128, 128, 64)
    ratios: tuple[tuple[int, ...], ...] = (*((2, 3),) * 5, (2,))
    scales: tuple[float, float] = (0.1, 1.05)
    center_variance: float = 0.1
    size_variance: float = 0.2
    name: Literal["ssdlite"] = "ssdlite"

    @property
    def anchors_per_cell(self) -> tuple[int, ...]:
        """Of each map: two squares, and two rectangles for every ratio."""
        return tuple(2 + 2 * len(ratios) for ratios in self.ratios)


MaskSpec: TypeAlias = DeepLabV3Spec | PSPNetSpec
HeadSpec: TypeAlias = DeepLabV3Spec | PSPNetSpec | SSDLiteSpec


def default_head(
    name: HeadName, *, on_tokens: bool, output_stride: OutputStride | None = None
) -> HeadSpec:
    """The head of that name as the authors trained it on backbones of this layout.

    Args:
        name: one of :data:`HEADS`.
        on_tokens: whether the backbone's blocks work on tokens (V1's line).
        output_stride: of a mask's head; 16 unless given.

    Raises:
        ValueError: no such head or output stride, or one for a head that has none.
    """
    if name not in HEADS:
        raise ValueError(f"unknown head {name!r}; choose one of {', '.join(HEADS)}")
    if name == "ssdlite":
        if output_stride is not None:
            raise ValueError("ssdlite reads maps of strides 16 and 32: it has no output stride")
        return SSDLiteSpec()
    stride = 16 if output_stride is None else output_stride
    if stride not in OUTPUT_STRIDES:
        raise ValueError(f"output_stride {stride} is none of {', '.join(map(str, OUTPUT_STRIDES))}")
    if name == "pspnet":
        return PSPNetSpec(stride, "aligned")
    # CVNets v0.1 trained the narrow one, for V1's line at stride 16; all others are v0.2's.
    if on_tokens and stride == 16:
        return DeepLabV3Spec(stride, _NARROW, RATES[stride], "half-pixel-nearest")
    return DeepLabV3Spec(stride, _WIDE, RATES[stride], "aligned")


def default_classes(name: HeadName) -> int:
    """Classes of the data that the authors trained the head on: PASCAL VOC or COCO."""
    return DETECTION_CLASSES if name == "ssdlite" else SEGMENTATION_CLASSES
