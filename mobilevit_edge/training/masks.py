"""Folders of photos with a mask each: scan, and the sets that training and evaluation read.

A mask is an image of one byte a pixel, palette or gray: the index of the pixel's class, or 255
where it has none that counts. Two layouts are read: ``images/NAME.jpg`` with ``masks/NAME.png`` and
``labels.txt``, and that of PASCAL VOC, whose lists of names divide it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from mobilevit_edge.errors import ImageError
from mobilevit_edge.image_files import is_image, opened_image
from mobilevit_edge.labels import import_labels, known_labels
from mobilevit_edge.preprocess import load_image
from mobilevit_edge.reading import MEBIBYTE, open_regular, read_text
from mobilevit_edge.training.augment import augment_pair
from mobilevit_edge.training.data import DataError, Images, Scan, Views, WholeImages
from mobilevit_edge.training.sampler import Draw

IGNORED: Final = 255
"""The index of pixels without a class, as PASCAL VOC and ADE20K have it."""
LABELS: Final = "labels.txt"
_MAX_CLASSES: Final = IGNORED
_MAX_BYTES: Final = 64 * MEBIBYTE
_MAX_NAMED: Final = 5
_MODES: Final = ("P", "L")

Part: TypeAlias = Literal["train", "val"]
Indices: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Layout:
    """Where images and masks lie, and the lists of names where there are some."""

    images: str
    masks: str
    lists: str | None = None


_SIMPLE: Final = _Layout("images", "masks")
_VOC: Final = _Layout("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")


def is_divided(root: Path) -> bool:
    """Whether a folder says itself which of its images to train on and which to hold out."""
    layout = _found_layout(root)
    if layout is None or layout.lists is None:
        return False
    folder = root / layout.lists
    return all((folder / f"{part}.txt").is_file() for part in ("train", "val"))


def has_masks(root: Path) -> bool:
    """Whether a folder has one of the two layouts."""
    return _found_layout(root) is not None


def photos_folder(root: Path) -> Path:
    """Where the photos of a folder are: apart from its masks, if it has one of the layouts."""
    layout = _found_layout(root)
    return root if layout is None else root / layout.images


def _found_layout(root: Path) -> _Layout | None:
    for layout in (_SIMPLE, _VOC):
        if (root / layout.images).is_dir() and (root / layout.masks).is_dir():
            return layout
    return None


def scan_masks(root: Path, *, part: Part | None, progress: Callable[[int, int], None]) -> Scan:
    """Find the images of ``root`` and their masks, and decode all of them once.

    Args:
        root: a folder in one of the two layouts.
        part: whose list of names counts; ``None`` for all images that have a mask by their name.
        progress: called with the number of images done and their total.

    Raises:
        DataError: no such layout, no class names, images without a mask, masks that are none, of
            another size than their image, or with indices beyond the classes.
    """
    layout = _layout_of(root)
    classes = _classes_of(root, layout)
    pairs = _pairs(root, layout, part)
    paths, masks, unreadable, wrong = [], [], [], []
    for number, (image, mask) in enumerate(pairs.items(), 1):
        try:
            photo = load_image(root / image)
        except ImageError as error:
            unreadable.append((image, str(error)))
        else:
            problem = _problem(root / mask, photo.size, len(classes))
            if problem is not None:
                wrong.append(f"{mask}: {problem}")
            paths.append(image)
            masks.append(mask)
        progress(number, len(pairs))
    if wrong:
        raise DataError(
            f"{root}: {len(wrong)} of {len(pairs)} masks cannot be used"
            f"{_listed(wrong)}\ncorrect or remove them with their images"
        )
    if not paths:
        reasons = [f"{path}: {problem}" for path, problem in unreadable]
        raise DataError(f"{root}: no image can be read{_listed(reasons)}")
    targets = np.zeros(len(paths), np.int64)
    images = Images(root, classes, tuple(paths), targets, tuple(masks))
    return Scan(images, tuple(unreadable), ignored=0)


def _listed(problems: Sequence[str]) -> str:
    shown = "".join(f"\n  {problem}" for problem in problems[:_MAX_NAMED])
    rest = len(problems) - _MAX_NAMED
    return f"{shown}\n  and {rest} more" if rest > 0 else shown


def _layout_of(root: Path) -> _Layout:
    if not root.is_dir():
        raise DataError(f"no folder at {root}: pass a folder of images and masks")
    layout = _found_layout(root)
    if layout is not None:
        return layout
    raise DataError(
        f"{root} holds no masks: a head for masks learns from {_SIMPLE.images}/ and "
        f"{_SIMPLE.masks}/ with files of the same names and {LABELS}, or from the folders of "
        f"PASCAL VOC ({_VOC.images}, {_VOC.masks})"
    )


def _classes_of(root: Path, layout: _Layout) -> tuple[str, ...]:
    path = root / LABELS
    if path.is_file():
        classes = import_labels(path)
    elif layout is _VOC:
        classes = known_labels("voc")
    else:
        raise DataError(
            f"{path} is missing: it names the classes, one a line, in the order of their indices; "
            f"that of index 0 is usually the background"
        )
    if not 2 <= len(classes) <= _MAX_CLASSES:
        raise DataError(f"{path} names {len(classes)} classes: masks have 2 to {_MAX_CLASSES}")
    return classes


def _pairs(root: Path, layout: _Layout, part: Part | None) -> Mapping[str, str]:
    """The mask of each image, both as paths below ``root``."""
    try:
        images = _by_name(root / layout.images)
        masks = _by_name(root / layout.masks)
    except OSError as error:
        raise DataError(f"cannot read {root}: {error.strerror}") from error
    if part is not None and layout.lists is not None:
        path = root / layout.lists / f"{part}.txt"
        text = read_text(path, MEBIBYTE, DataError)
        names = [line.split()[0] for line in text.splitlines() if line.split()]
        lost = [name for name in names if name not in images]
        if lost:
            raise DataError(
                f"{path} names images that are not in {root / layout.images}"
                f"{_listed(lost)}\nadd them, or take their names off the list"
            )
    else:
        # PASCAL VOC has masks for some of its photos alone.
        names = [name for name in images if layout is not _VOC or name in masks]
    missing = [f"{layout.images}/{images[name]}" for name in names if name not in masks]
    if missing:
        raise DataError(
            f"{root}: {len(missing)} of {len(names)} images have no mask of their name in "
            f"{layout.masks}/{_listed(missing)}\nadd the masks, or remove the images"
        )
    if not names:
        raise DataError(f"{root / layout.images} holds no images")
    return {
        f"{layout.images}/{images[name]}": f"{layout.masks}/{masks[name]}"
        for name in dict.fromkeys(names)
    }


def _by_name(folder: Path) -> Mapping[str, str]:
    """The image files of a folder by their names without suffixes, in order."""
    files = sorted(path.name for path in folder.iterdir() if is_image(path) and path.is_file())
    found: dict[str, str] = {}
    for name in files:
        stem = Path(name).stem
        if stem in found:
            raise DataError(f"{folder} has {found[stem]} and {name}: which one is meant?")
        found[stem] = name
    return found


def load_mask(path: Path) -> Indices:
    """The indices of a mask, ``[H, W]``.

    Raises:
        ImageError: unreadable, or no image of indices.
    """
    with open_regular(path, _MAX_BYTES, ImageError) as file, opened_image(file, path) as image:
        if image.mode not in _MODES:
            raise ImageError(
                f"{path} has pixels of kind {image.mode}, not indices: save it as PNG with a "
                f"palette or in 8-bit gray, each pixel the index of its class"
            )
        return np.array(image)


def _problem(path: Path, size: tuple[int, int], classes: int) -> str | None:
    """Why a mask cannot be used for an image of ``size`` (width, height); ``None`` if it can."""
    try:
        mask = load_mask(path)
    except ImageError as error:
        return str(error)
    if mask.shape != size[::-1]:
        return f"{mask.shape[1]}x{mask.shape[0]} pixels, its image has {size[0]}x{size[1]}"
    found = np.unique(mask)
    beyond = found[(found >= classes) & (found != IGNORED)]
    if len(beyond):
        return f"index {beyond[0]}, there are {classes} classes (0 to {classes - 1}; 255: none)"
    return None


def _mask_at(images: Images, index: int) -> Image.Image:
    if images.masks is None:
        raise ValueError(f"the images of {images.root} have no masks")
    return Image.fromarray(load_mask(images.root / images.masks[index]))


Pair: TypeAlias = tuple[Tensor, Tensor]


class MaskTrainingSet(Views[Pair]):
    """Views with their masks."""

    def __getitem__(self, draw: Draw) -> Pair:
        """The view ``[3, H, W]`` float32, and its classes ``[H, W]`` int64."""
        photo, mask = self._images.load(draw.image), _mask_at(self._images, draw.image)
        view, seen = augment_pair(photo, mask, draw.size, self._recipe, self._stream(draw))
        return self._tensor(view), torch.from_numpy(np.array(seen, np.int64))


class MaskEvaluationSet(WholeImages[Pair]):
    """Images, which an export stretches, and masks of that size."""

    def __getitem__(self, index: int) -> Pair:
        """The image ``[3, H, W]`` float32, and its classes ``[H, W]`` int64."""
        height, width = self._preprocessing.image_size
        mask = _mask_at(self._images, index).resize((width, height), Image.Resampling.NEAREST)
        return self._tensor(index), torch.from_numpy(np.array(mask, np.int64))
