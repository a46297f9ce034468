"""Top-1 on labeled images, and the gate on its drop."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from converters.checks.accuracy import find_labeled, measure_accuracy
from converters.checks.labeled import check_gate
from converters.job.job import ExportJob
from converters.job.options import ExportOptions
from converters.job.precisions import Precision
from converters.job.source import SourceModel
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import ImageError, LabelsError, UsageError, VerificationError
from mobilevit_edge.formats.manifest import SourceInfo
from mobilevit_edge.preprocess import Preprocessing

SIZE = 32
LABELS = ("red", "green", "blue")


class Brightest(torch.nn.Module):
    """Classifies an image by its strongest channel: right for every image made here."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


SOURCE = SourceModel(
    model=Brightest(),  # type: ignore[arg-type]
    outputs=3,
    image_size=(SIZE, SIZE),
    preprocessing=Preprocessing("RGB", "stretch", "bilinear", 1.0, (SIZE, SIZE), "test"),
    labels=LABELS,
    labels_source="test",
    origin=SourceInfo("test", None, "", None, ()),
)


def options(folder: Path, batch: int | None = 1, **more: Any) -> ExportOptions:
    return ExportOptions("test", "onnx", batch=batch, verify=folder, **more)


def job(folder: Path, batch: int | None = 1, **more: Any) -> ExportJob:
    return ExportJob(options(folder, batch, **more), SOURCE, takes_pixels=False, activation="none")


def artifact(wrong: int = 0, batches: list[int] | None = None) -> LoadedModel:
    """Answers right but for the first ``wrong`` images."""
    left = wrong

    def run(x: Array) -> Array:
        nonlocal left
        if batches is not None:
            batches.append(len(x))
        outputs: Array = x.mean((2, 3))
        for row in outputs:
            if left:
                row[:] = -row
                left -= 1
        return outputs

    return LoadedModel(run, "test")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four images a class, each of its class's color."""
    for index, label in enumerate(LABELS):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        for number in range(4):
            pixels = np.zeros((20 + number, 30, 3), np.uint8)
            pixels[..., index] = 200
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "photos"


def quiet(_: str) -> None:
    """No progress."""


def test_folders_named_after_labels_label_their_images(photos: Path) -> None:
    found = find_labeled(photos, LABELS)
    assert [image.label for image in found] == [2] * 4 + [1] * 4 + [0] * 4  # by folder name
    assert all(image.path.parent.name == LABELS[image.label] for image in found)


def test_images_in_folders_below_a_class_belong_to_it(photos: Path) -> None:
    (photos / "red" / "deeper").mkdir()
    (photos / "red" / "0.png").rename(photos / "red" / "deeper" / "0.png")
    assert [image.label for image in find_labeled(photos, LABELS)].count(0) == 4


def test_names_in_another_unicode_form_are_the_same(tmp_path: Path) -> None:
    label = "Käse (weiß)"
    folder = tmp_path / unicodedata.normalize("NFD", label)
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    (found,) = find_labeled(tmp_path, ("Brot", label))
    assert found.label == 1


@pytest.mark.parametrize("labels", [("a", "b", "c"), ("class_0", "class_1", "class_2")])
def test_folders_named_otherwise_are_no_labels(photos: Path, labels: tuple[str, ...]) -> None:
    assert find_labeled(photos, labels) == ()


def test_photos_without_folders_are_not_labeled(photos: Path) -> None:
    assert find_labeled(photos / "red", LABELS) == ()
    assert find_labeled(photos / "red" / "0.png", LABELS) == ()


def test_one_folder_that_is_no_class_is_named(photos: Path) -> None:
    (photos / "green").rename(photos / "gren")
    with pytest.raises(LabelsError, match=r"'gren' is not among .*did you mean 'green'"):
        find_labeled(photos, LABELS)


@pytest.mark.parametrize("batch", [1, 5, None])
def test_right_answers_are_counted(photos: Path, batch: int | None) -> None:
    found = find_labeled(photos, LABELS)
    sizes: list[int] = []
    accuracy = measure_accuracy(artifact(batches=sizes), job(photos, batch), found, quiet)
    assert (accuracy.images, accuracy.reference_correct, accuracy.artifact_correct) == (12, 12, 12)
    assert accuracy.drop == 0
    assert set(sizes) == {batch or 1}, "a fixed batch is always full"


def test_a_drop_within_the_limit_is_reported(photos: Path) -> None:
    accuracy = measure_accuracy(
        artifact(wrong=1),
        job(photos, max_accuracy_drop=9.0),
        find_labeled(photos, LABELS),
        quiet,
    )
    assert accuracy.artifact_correct == 11
    assert accuracy.drop == pytest.approx(100 / 12)


@pytest.mark.parametrize(
    ("precision", "next_step"),
    [("int8", "--int8-keep auto"), ("fp16", "higher precision"), ("fp32", "--channel-order")],
)
def test_a_drop_beyond_the_limit_fails_and_says_what_to_try(
    photos: Path, precision: Precision, next_step: str
) -> None:
    with pytest.raises(VerificationError, match=f"from 12 to 11 of 12 images.*{next_step}"):
        measure_accuracy(
            artifact(wrong=1),
            job(photos, precision=precision),
            find_labeled(photos, LABELS),
            quiet,
        )


def test_unreadable_images_are_left_out_and_counted(photos: Path) -> None:
    (photos / "red" / "1.png").write_bytes(b"no image")
    found = find_labeled(photos, LABELS)
    accuracy = measure_accuracy(artifact(), job(photos), found, quiet)
    assert (accuracy.images, accuracy.unreadable, accuracy.reference_correct) == (11, 1, 11)


def test_no_readable_image_is_an_error(photos: Path) -> None:
    for path in photos.rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(ImageError, match="none of the 12"):
        measure_accuracy(artifact(), job(photos), find_labeled(photos, LABELS), quiet)


def test_a_limit_without_labels_is_refused(photos: Path) -> None:
    with pytest.raises(UsageError, match="one folder for every class"):
        check_gate(options(photos, max_accuracy_drop=1.0), ())
    check_gate(options(photos), ())


def test_progress_is_told(photos: Path) -> None:
    told: list[str] = []
    found = find_labeled(photos, LABELS)
    measure_accuracy(artifact(), job(photos), found, told.append)
    assert told[-1] == "measuring accuracy: image 12 of 12"
