"""Mean IoU and mean average precision on labeled photos, and the gate on their drop."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from PIL import Image

from converters.checks.cases import verification_cases
from converters.checks.coco import BoxedPhotos, find_boxed
from converters.checks.labeled import check_gate, find_labels, measure
from converters.checks.mask_accuracy import find_masked, measure_masks
from converters.job.job import ExportJob
from converters.job.options import ExportOptions
from converters.job.source import SourceModel
from converters.precision.calibration import calibration_set
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge import boxes
from mobilevit_edge.errors import (
    CalibrationError,
    ImageError,
    LabelsError,
    MissingPackageError,
    UsageError,
    VerificationError,
)
from mobilevit_edge.formats.manifest import AnswerForm, SourceInfo
from mobilevit_edge.head_specs import DeepLabV3Spec, SSDLiteSpec
from mobilevit_edge.installation import install_command
from mobilevit_edge.preprocess import Preprocessing
from mobilevit_edge.specs import SPECS, with_head
from mobilevit_edge.training.data import DataError

SIZE = (32, 48)
PHOTOS = 6
CLASSES = ("background", "red", "green")
STRIDE: Final = 16
DEEPLAB = DeepLabV3Spec(STRIDE, 256, (6, 12, 18), "half-pixel-nearest")
SSD = SSDLiteSpec()
MAPS = ((2, 3), (1, 2), (1, 1), (1, 1), (1, 1), (1, 1))
ANCHOR = 7


def quiet(_: str) -> None:
    """No progress."""


class StrongestChannel(torch.nn.Module):
    """Logits of a head for masks: blue is the background, then red and green."""

    spec = with_head(SPECS["mobilevit_xxs"], DEEPLAB)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(x[:, [2, 0, 1]], STRIDE)


class OneAnchor(torch.nn.Module):
    """Raw rows of a head for boxes: class 1 as one anchor has it, everywhere."""

    spec = with_head(SPECS["mobilevit_xxs"], SSD)

    def head_maps(self, size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        return MAPS

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(raw_rows()).expand(len(x), -1, -1)


def raw_rows() -> Array:
    rows = np.zeros((len(boxes.anchors(SSD, MAPS)), boxes.BOX_VALUES + len(CLASSES)), np.float32)
    rows[:, boxes.BOX_VALUES] = 20
    rows[ANCHOR, boxes.BOX_VALUES + 1] = 40
    return rows


def job(
    folder: Path, model: torch.nn.Module, answer: AnswerForm, batch: int = 1, **more: Any
) -> ExportJob:
    source = SourceModel(
        model=model,  # type: ignore[arg-type]
        outputs=len(CLASSES),
        image_size=SIZE,
        preprocessing=Preprocessing("RGB", "stretch", "bilinear", 1.0, SIZE, "test"),
        labels=CLASSES,
        labels_source="test",
        origin=SourceInfo("test", None, "", None, ()),
    )
    options = ExportOptions("test", "onnx", batch=batch, verify=folder, **more)
    return ExportJob(options, source, takes_pixels=False, activation="none", answer=answer)


def write_masked(folder: Path) -> None:
    """Photos whose left half is of one class and whose right half is background, as masked."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    (folder / "labels.txt").write_text("\n".join(CLASSES))
    for number in range(PHOTOS):
        label = 1 + number % 2
        mask = np.zeros((64, 96), np.uint8)
        mask[:, :48] = label
        mask[:4] = 255
        pixels = np.zeros((64, 96, 3), np.uint8)
        pixels[..., 2] = 200
        pixels[:, :48] = 0
        pixels[:, :48, label - 1] = 200
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")


def write_boxed(folder: Path, change: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
    """Photos that hold one object each, at the anchor."""
    (folder / "images").mkdir(parents=True)
    x, y, w, h = boxes.anchors(SSD, MAPS)[ANCHOR]
    corners = boxes.in_pixels(
        np.array([[x - w / 2, y - h / 2, x + w / 2, y + h / 2]]), (0, 0, 90, 60), (60, 90)
    )[0]
    left, top, right, bottom = map(float, corners)
    content: dict[str, Any] = {
        "images": [{"id": 10 + n, "file_name": f"{n}.png"} for n in range(PHOTOS)],
        # Not in the order of the labels, and with numbers of their own.
        "categories": [{"id": 7, "name": "green"}, {"id": 90, "name": "red"}],
        "annotations": [
            {
                "image_id": 10 + n,
                "category_id": 90,
                "bbox": [left, top, right - left, bottom - top],
            }
            for n in range(PHOTOS)
        ],
    }
    change(content)
    (folder / "boxes.json").write_text(json.dumps(content))
    for number in range(PHOTOS):
        Image.new("RGB", (90, 60), (number, 0, 0)).save(folder / "images" / f"{number}.png")


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    write_masked(tmp_path / "masked")
    return tmp_path / "masked"


@pytest.fixture
def boxed(tmp_path: Path) -> Path:
    write_boxed(tmp_path / "boxed")
    return tmp_path / "boxed"


def logits(x: Array) -> Array:
    return StrongestChannel()(torch.from_numpy(x)).numpy()  # type: ignore[no-any-return]


def as_labels(x: Array) -> Array:
    best = logits(x).argmax(1).astype(np.int32)
    return np.repeat(np.repeat(best, STRIDE, 1), STRIDE, 2)


def swapped(x: Array) -> Array:
    """Red for green."""
    return logits(x)[:, [0, 2, 1]]


@pytest.mark.parametrize("batch", [1, 4])
def test_mean_iou_is_over_the_pixels_that_count(masked: Path, batch: int) -> None:
    asked = job(masked, StrongestChannel(), "logits", batch)
    found = find_labels(asked, quiet)
    measured = measure(LoadedModel(logits, "test"), asked, found, quiet)
    accuracy = measured.head_accuracy
    assert measured.accuracy is None
    assert accuracy is not None
    assert (accuracy.measure, accuracy.images, accuracy.unreadable) == ("mIoU", PHOTOS, 0)
    # The three columns of the map are enlarged to an edge in the middle.
    assert (accuracy.reference, accuracy.artifact) == (1.0, 1.0)


def test_a_label_map_is_measured_as_it_is(masked: Path) -> None:
    asked = job(masked, StrongestChannel(), "labels", max_accuracy_drop=100)
    found = find_masked(masked, CLASSES, quiet)
    accuracy = measure_masks(LoadedModel(as_labels, "test"), asked, found, quiet)
    # Pixels of the left half's second column belong to it in a third of its width.
    assert accuracy.artifact != accuracy.reference
    assert accuracy.artifact > 0.5


def test_a_drop_of_mean_iou_beyond_the_limit_fails_the_export(masked: Path) -> None:
    found = find_masked(masked, CLASSES, quiet)
    artifact = LoadedModel(swapped, "test")
    asked = job(masked, StrongestChannel(), "logits", precision="int8")
    message = r"mean IoU falls from \d+\.\d to \d+\.\d % on 6 images, .* in int8; allowed are 1"
    with pytest.raises(VerificationError, match=message):
        measure_masks(artifact, asked, found, quiet)
    asked = job(masked, StrongestChannel(), "logits", max_accuracy_drop=90)
    assert 40 < measure_masks(artifact, asked, found, quiet).drop < 90


def test_what_is_cut_out_of_a_photo_is_cut_out_of_its_mask(tmp_path: Path) -> None:
    """The right answer for the middle is wrong for the whole."""
    from dataclasses import replace

    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    (tmp_path / "labels.txt").write_text("\n".join(CLASSES))
    mask = np.zeros((32, 144), np.uint8)
    mask[:, 48:96] = 1
    pixels = np.zeros((32, 144, 3), np.uint8)
    pixels[..., 2] = np.where(mask == 1, 0, 200)
    pixels[..., 0] = np.where(mask == 1, 200, 0)
    Image.fromarray(pixels).save(tmp_path / "images" / "a.png")
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    asked = job(tmp_path, StrongestChannel(), "logits")
    cut = replace(asked.source.preprocessing, resize="crop")
    asked = replace(asked, source=replace(asked.source, preprocessing=cut))
    found = find_masked(tmp_path, CLASSES, quiet)
    accuracy = measure_masks(LoadedModel(logits, "test"), asked, found, quiet)
    assert accuracy.reference == 1.0


def test_lists_divide_the_layout_of_pascal_voc_alone(tmp_path: Path) -> None:
    write_masked(tmp_path)
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for part, names in (("train", "0"), ("val", "1\n2")):
        (lists / f"{part}.txt").write_text(names)
    assert len(find_masked(tmp_path, CLASSES, quiet)) == PHOTOS
    (tmp_path / "images").rename(tmp_path / "JPEGImages")
    (tmp_path / "masks").rename(tmp_path / "SegmentationClass")
    found = [photo.image.name for photo in find_masked(tmp_path, CLASSES, quiet)]
    assert found == ["1.png", "2.png"]


def test_other_classes_than_the_models_are_refused(masked: Path) -> None:
    with pytest.raises(LabelsError, match=r"class 2 is 'green' there and 'blue' in the model.*--l"):
        find_masked(masked, ("background", "red", "blue"), quiet)
    with pytest.raises(LabelsError, match="its classes are 3 there and 4 in the model"):
        find_masked(masked, (*CLASSES, "blue"), quiet)


def test_masks_are_no_photos(masked: Path) -> None:
    asked = job(masked, StrongestChannel(), "logits")
    shown = [case.name for case in verification_cases(asked) if case.name.endswith(".png")]
    assert shown == [f"{number}.png" for number in range(PHOTOS)]
    with pytest.raises(CalibrationError, match=f"has {PHOTOS} readable images"):
        calibration_set(masked, asked, quiet)


def test_photos_alone_are_no_labels(masked: Path) -> None:
    assert find_masked(masked / "images", CLASSES, quiet) == ()
    assert find_boxed(masked / "images", CLASSES) is None
    with pytest.raises(UsageError, match=r"images/, masks/ and labels\.txt"):
        check_gate(job(masked, StrongestChannel(), "logits", max_accuracy_drop=1).options, ())


def test_mean_average_precision_is_cocos(boxed: Path) -> None:
    pytest.importorskip("pycocotools", reason="mAP: needs the extra coco")
    raw = job(boxed, OneAnchor(), "raw", batch=4)
    found = find_labels(raw, quiet)
    right = LoadedModel(lambda x: np.stack([raw_rows()] * len(x)), "test")
    accuracy = measure(right, raw, found, quiet).head_accuracy
    assert accuracy is not None
    assert (accuracy.measure, accuracy.images) == ("mAP", PHOTOS)
    assert accuracy.reference == pytest.approx(1)
    assert accuracy.artifact == pytest.approx(1)

    def shifted(x: Array) -> Array:
        rows = np.zeros((len(x), 3, boxes.DETECTION_VALUES), np.float32)
        cx, cy, w, h = boxes.anchors(SSD, MAPS)[ANCHOR]
        # Overlaps of 0.6 with the object: right in three of COCO's ten thresholds.
        move = w * 0.25
        rows[:, 0] = cx - w / 2 + move, cy - h / 2, cx + w / 2 + move, cy + h / 2, 0.9, 1
        return rows

    asked = job(boxed, OneAnchor(), "nms", max_accuracy_drop=80)
    accuracy = measure(LoadedModel(shifted, "test"), asked, found, quiet).head_accuracy
    assert accuracy is not None
    assert accuracy.artifact == pytest.approx(0.3)
    asked = job(boxed, OneAnchor(), "nms", precision="int8")
    with pytest.raises(VerificationError, match=r"precision falls from 100\.0 to 30\.0 % on 6"):
        measure(LoadedModel(shifted, "test"), asked, found, quiet)


def test_an_artifact_that_finds_nothing_has_no_precision(boxed: Path) -> None:
    pytest.importorskip("pycocotools", reason="mAP: needs the extra coco")
    asked = job(boxed, OneAnchor(), "nms", max_accuracy_drop=100)
    nothing = LoadedModel(lambda x: np.zeros((len(x), 3, 6), np.float32), "test")
    accuracy = measure(nothing, asked, find_labels(asked, quiet), quiet).head_accuracy
    assert accuracy is not None
    assert accuracy.artifact == 0


def test_photos_that_are_missing_are_left_out_and_counted(boxed: Path) -> None:
    pytest.importorskip("pycocotools", reason="mAP: needs the extra coco")
    (boxed / "images" / "2.png").unlink()
    asked = job(boxed, OneAnchor(), "raw")
    right = LoadedModel(lambda x: raw_rows()[None], "test")
    found = find_labels(asked, quiet)
    accuracy = measure(right, asked, found, quiet).head_accuracy
    assert accuracy is not None
    assert (accuracy.images, accuracy.unreadable) == (PHOTOS - 1, 1)
    assert accuracy.reference == pytest.approx(1)
    for path in (boxed / "images").iterdir():
        path.unlink()
    with pytest.raises(ImageError, match="none of the 6 labeled images"):
        measure(right, asked, found, quiet)


def test_what_measures_boxes_is_asked_for_before_anything_takes_time(
    boxed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(MissingPackageError, match=re.escape(install_command("coco"))):
        find_labels(job(boxed, OneAnchor(), "raw"), quiet)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda c: c.pop("images"), DataError, "is not in COCO's format"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), DataError, "COCO's format"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, -3, 4]), DataError, "no box"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3, 10**400]), DataError, "too large"),
        (lambda c: c["annotations"][0].update(image_id=float("inf")), DataError, "COCO's format"),
        (lambda c: c["annotations"][0].update(area=float("inf")), DataError, "of area inf"),
        (lambda c: c["annotations"][0].update(image_id=99), DataError, "ids do not fit"),
        (lambda c: c["images"][0].update(file_name="../a.png"), DataError, "out of the folder"),
        (lambda c: c.update(annotations=[]), DataError, "no photo has a box"),
        (
            lambda c: c["categories"][0].update(name="greem"),
            LabelsError,
            r"'greem' is not among .*did you mean 'green'",
        ),
    ],
)
def test_files_of_boxes_that_cannot_be_used_are_explained(
    tmp_path: Path,
    change: Callable[[dict[str, Any]], object],
    error: type[Exception],
    message: str,
) -> None:
    write_boxed(tmp_path / "boxed", change)
    with pytest.raises(error, match=message):
        find_boxed(tmp_path / "boxed", CLASSES)


def test_several_files_of_boxes_are_ambiguous(boxed: Path) -> None:
    assert isinstance(find_boxed(boxed, CLASSES), BoxedPhotos)
    (boxed / "more.json").write_text("{}")
    with pytest.raises(DataError, match=r"boxes\.json, more\.json: leave the one"):
        find_boxed(boxed, CLASSES)
