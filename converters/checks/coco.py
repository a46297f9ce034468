"""Photos with boxes in COCO's format: one JSON file beside them, or beside their folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from converters.checks.accuracy import composed, index_of, unknown_names
from mobilevit_edge.reading import MEBIBYTE, read_text
from mobilevit_edge.training.data import DataError

_IMAGES: Final = "images"
_MAX_BYTES: Final = 512 * MEBIBYTE
"""COCO's own file for its training images has 450 MB."""


@dataclass(frozen=True)
class BoxedPhoto:
    """A photo and its ``id`` in the file."""

    number: int
    path: Path


@dataclass(frozen=True)
class Box:
    """An object: ``place`` is x, y, width and height in pixels. A crowd stands for many of them."""

    photo: int
    category: int
    place: tuple[float, float, float, float]
    area: float
    is_crowd: bool


@dataclass(frozen=True)
class BoxedPhotos:
    """Photos and the objects in them; ``categories`` has their ``id`` by the model's labels."""

    photos: tuple[BoxedPhoto, ...]
    boxes: tuple[Box, ...]
    categories: Mapping[int, int]

    def as_dataset(self) -> dict[str, Any]:
        """What pycocotools reads, with nothing else in it."""
        return {
            "images": [{"id": photo.number} for photo in self.photos],
            "categories": [{"id": number} for number in self.categories.values()],
            "annotations": [
                {
                    "id": number,
                    "image_id": box.photo,
                    "category_id": box.category,
                    "bbox": list(box.place),
                    "area": box.area,
                    "iscrowd": int(box.is_crowd),
                }
                for number, box in enumerate(self.boxes, 1)
            ],
        }


def find_boxed(folder: Path, labels: Sequence[str]) -> BoxedPhotos | None:
    """The photos of a folder with a JSON file in COCO's format; ``None`` where there is no such.

    Photos lie in the folder, or in ``images`` below it, under the names that the file gives them.

    Raises:
        DataError: several JSON files, or one that is not in COCO's format.
        LabelsError: it has categories that are not among the model's labels.
    """
    files = sorted(folder.glob("*.json")) if folder.is_dir() else []
    if not files:
        return None
    if len(files) > 1:
        raise DataError(
            f"{folder} has {', '.join(path.name for path in files)}: leave the one whose boxes "
            f"are meant"
        )
    (path,) = files
    try:
        content = json.loads(read_text(path, _MAX_BYTES, DataError))
        return _read(folder, content, labels)
    # A file's numbers have no end, and Python's have one.
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(
            f"{path} is not in COCO's format, which has images (id, file_name), categories (id, "
            f"name) and annotations (image_id, category_id, bbox): {error!r}"
        ) from error


def _read(folder: Path, content: Any, labels: Sequence[str]) -> BoxedPhotos:
    index = index_of(labels)
    names = {int(entry["id"]): str(entry["name"]) for entry in content["categories"]}
    unknown = sorted(name for name in names.values() if composed(name) not in index)
    if unknown:
        way_out = "name the categories as its labels, or pass --labels"
        raise unknown_names(folder, unknown, labels, way_out)
    photos = tuple(
        BoxedPhoto(int(entry["id"]), _place(folder, str(entry["file_name"])))
        for entry in content["images"]
    )
    boxes = tuple(_box(entry) for entry in content["annotations"])
    known = {photo.number for photo in photos}
    if len(known) != len(photos) or not all(
        box.photo in known and box.category in names for box in boxes
    ):
        raise ValueError("its ids do not fit each other")
    if all(box.is_crowd for box in boxes):
        raise DataError(f"{folder}: no photo has a box, so that nothing can be measured")
    categories = {index[composed(name)]: number for number, name in names.items()}
    return BoxedPhotos(photos, boxes, categories)


def _box(entry: Mapping[str, Any]) -> Box:
    x, y, width, height = (float(value) for value in entry["bbox"])
    area = float(entry.get("area", width * height))
    if not all(map(math.isfinite, (x, y, width, height, area))) or min(width, height) < 0:
        raise ValueError(f"no box: {entry['bbox']} of area {area}")
    return Box(
        photo=int(entry["image_id"]),
        category=int(entry["category_id"]),
        place=(x, y, width, height),
        area=area,
        is_crowd=bool(entry.get("iscrowd", 0)),
    )


def _place(folder: Path, name: str) -> Path:
    """Where a photo is, which may be nowhere: whoever reads it says so."""
    path = folder / name
    inner = folder / _IMAGES / name
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise ValueError(f"{name!r} leads out of the folder")
    return inner if inner.is_file() else path
