"""The checkpoint that the package ships."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mobilevit_edge as me
from mobilevit_edge.preprocess import preprocess_image
from mobilevit_edge.weights.checkpoint import read_checkpoint
from mobilevit_edge.weights.provenance import labels_of, preprocessing_of

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
DEMO = Path(me.__file__).parent / "data" / "demo"


def test_it_is_recognized_with_its_labels_and_preprocessing() -> None:
    checkpoint = read_checkpoint("demo")
    assert checkpoint.origin == "demo"
    assert labels_of(checkpoint) == CLASSES
    model = me.load_model(checkpoint)
    assert model.spec.name == "mobilevitv2_050"
    preprocessing = preprocessing_of(checkpoint, model.spec)
    assert (preprocessing.channel_order, preprocessing.image_size) == ("RGB", (64, 64))


def test_a_folder_of_that_name_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo").mkdir()
    monkeypatch.chdir(tmp_path)
    assert labels_of(read_checkpoint("demo")) == CLASSES


def test_it_is_small_and_has_a_card() -> None:
    assert (DEMO / "model.safetensors").stat().st_size < 2.5e6
    card = (DEMO / "README.md").read_text()
    assert all(word in card for word in ("CIFAR-10", "top-1", "Limits"))


def test_it_classifies_cifar_images_as_its_card_says(realdata: Path) -> None:
    model = me.load_model("demo")
    preprocessing = preprocessing_of(read_checkpoint("demo"), model.spec)
    with zipfile.ZipFile(realdata / "cifar10" / "val.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[::10]
        images = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names]
    size = preprocessing.image_size
    pixels = np.stack([preprocess_image(image, preprocessing, size) for image in images])
    with torch.inference_mode():
        parts = [model(part).argmax(1) for part in torch.split(torch.from_numpy(pixels), 50)]
    answers = torch.cat(parts).tolist()
    right = [CLASSES[a] == Path(n).parent.name for a, n in zip(answers, names, strict=True)]
    assert len(right) == 500
    # 500 of the card's 5,000 images may differ by two standard deviations, three points.
    assert np.mean(right) > 0.80


MASKS = Path(me.__file__).parent / "data" / "demo_segmentation"


def test_the_one_for_masks_needs_no_option() -> None:
    checkpoint = read_checkpoint("demo-segmentation")
    assert checkpoint.origin == "demo-segmentation"
    assert labels_of(checkpoint) == ("background", *CLASSES)
    model = me.load_model(checkpoint)
    assert model.spec.name == "pspnet_mobilevitv2_050"
    assert model.spec.output_stride == 8
    preprocessing = preprocessing_of(checkpoint, model.spec)
    assert (preprocessing.resize, preprocessing.image_size) == ("stretch", (96, 96))
    assert (MASKS / "model.safetensors").stat().st_size < 3e6
    card = (MASKS / "README.md").read_text()
    assert all(word in card for word in ("collages", "mean IoU", "Limits"))
