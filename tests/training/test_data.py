from __future__ import annotations

import hashlib
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mobilevit_edge.normalization import Normalization
from mobilevit_edge.preprocess import Preprocessing, load_image, preprocess_image
from mobilevit_edge.training import data
from mobilevit_edge.training.data import (
    DataError,
    EvaluationSet,
    TrainingSet,
    fingerprint,
    require_same_classes,
    scan,
    split,
)
from mobilevit_edge.training.recipe import Recipe
from mobilevit_edge.training.sampler import Draw
from tests.training.conftest import write_images

PREPROCESSING = Preprocessing("BGR", "crop", "bilinear", 1.0, (32, 48), "test")


def quiet(done: int, total: int) -> None:
    pass


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    """Spaces, other scripts, sub-folders, and files that are no images or damaged ones."""
    root = write_images(tmp_path / "my data", {"Straßen & Wege": 3, "猫 🐈": 3})
    write_images(root / "猫 🐈", {"more": 2})
    good = (root / "猫 🐈" / "00.png").read_bytes()
    (root / "猫 🐈" / "cut.png").write_bytes(good[: len(good) // 2])
    (root / "Straßen & Wege" / "no image.jpg").write_text("hello")
    (root / "Straßen & Wege" / "notes.txt").write_text("hello")
    (root / ".cache").mkdir()
    (root / "LICENSE").write_text("hello")
    return root


@pytest.mark.parametrize("workers", [0, 1])
def test_a_scan_finds_readable_images_and_names_the_others(
    odd_folder: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "_CHUNK", 4)
    seen: list[tuple[int, int]] = []
    found = scan(
        odd_folder, workers=workers, progress=lambda done, total: seen.append((done, total))
    )
    images = found.images
    assert images.classes == ("Straßen & Wege", "猫 🐈")
    assert images.paths == (
        *(f"Straßen & Wege/0{n}.png" for n in range(3)),
        *(f"猫 🐈/0{n}.png" for n in range(3)),
        *(f"猫 🐈/more/0{n}.png" for n in range(2)),
    )
    assert images.targets.tolist() == [0] * 3 + [1] * 5
    assert [path for path, _ in found.unreadable] == [
        "Straßen & Wege/no image.jpg",
        "猫 🐈/cut.png",
    ]
    assert "not an image" in found.unreadable[0][1]
    assert found.ignored == 1
    assert seen[-1] == (10, 10)
    summary = found.summary()
    assert "8 images, 2 classes; 1 other files ignored; 2 unreadable images skipped" in summary
    assert "no image.jpg" in summary


def test_links_to_folders_are_followed_once_and_not_in_circles(tmp_path: Path) -> None:
    root = write_images(tmp_path / "data", {"a": 2, "b": 2})
    write_images(tmp_path, {"elsewhere": 1})
    (root / "a" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(root / "a")
    for name, place in (("again", "."), ("and again", "."), ("up", "..")):
        (root / "b" / name).symlink_to(place)
    found = scan(root, workers=0, progress=quiet).images
    assert found.paths == ("a/00.png", "a/01.png", "a/linked/00.png", "b/00.png", "b/01.png")
    assert found.targets.tolist() == [0, 0, 0, 1, 1]


def test_folders_that_cannot_be_trained_on_are_explained(tmp_path: Path) -> None:
    def message(root: Path) -> str:
        with pytest.raises(DataError) as caught:
            scan(root, workers=0, progress=quiet)
        return str(caught.value)

    assert "no folder at" in message(tmp_path / "missing")
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "flat" / "a.png")
    assert "no class folders" in message(tmp_path / "flat")
    assert "only one class ('cat')" in message(write_images(tmp_path / "one", {"cat": 2}))
    empty = write_images(tmp_path / "empty", {"cat": 2, "dog": 0})
    assert "no readable image in the class folder 'dog'" in message(empty)
    (empty / "dog" / "x.jpg").write_text("junk")
    assert "dog/x.jpg: " in message(empty)


@pytest.mark.skipif(sys.platform == "darwin", reason="all names of files there are UTF-8")
def test_names_of_files_need_not_be_text_but_those_of_classes_do(tmp_path: Path) -> None:
    root = write_images(tmp_path, {"a": 1, "b": 1})
    odd = os.fsdecode(b"caf\xe9")
    shutil.copy(root / "a" / "00.png", root / "a" / f"{odd}.png")
    found = scan(root, workers=0, progress=quiet).images
    names = (b"a", b"b", b"", b"a/00.png", b"a/caf\xe9.png", b"b/00.png", b"", b"")
    assert found.paths[1] == f"a/{odd}.png"
    assert fingerprint((found,)) == hashlib.sha256(b"\0".join(names)).hexdigest()
    (root / "b").rename(root / odd)
    with pytest.raises(DataError, match=r"the class folder .*\udce9 is not UTF-8: rename it"):
        scan(root, workers=0, progress=quiet)


def test_a_split_is_stratified_disjoint_and_repeatable(tmp_path: Path) -> None:
    root = write_images(tmp_path, {"a": 20, "b": 10, "c": 2})
    images = scan(root, workers=0, progress=quiet).images
    train, held = split(images, 0.2, seed=5)
    assert np.bincount(held.targets).tolist() == [4, 2, 1]
    assert np.bincount(train.targets).tolist() == [16, 8, 1]
    assert sorted(train.paths + held.paths) == sorted(images.paths)
    for part in (train, held):
        named = [images.classes[target] for target in part.targets]
        assert named == [path.split("/")[0] for path in part.paths]
    assert split(images, 0.2, seed=5)[1].paths == held.paths
    assert split(images, 0.2, seed=6)[1].paths != held.paths


def test_a_class_of_one_image_cannot_be_split(tmp_path: Path) -> None:
    images = scan(write_images(tmp_path, {"a": 4, "b": 1}), workers=0, progress=quiet).images
    with pytest.raises(DataError, match=r"class 'b' has one image.*--validation"):
        split(images, 0.1, seed=0)


def test_sets_of_other_classes_are_refused(tmp_path: Path) -> None:
    one, two = (
        scan(write_images(tmp_path / name, classes), workers=0, progress=quiet).images
        for name, classes in (("one", {"a": 1, "b": 1}), ("two", {"a": 1, "c": 1}))
    )
    require_same_classes(one, one)
    with pytest.raises(DataError, match=r"differ \('b', 'c'\)"):
        require_same_classes(one, two)


def test_the_fingerprint_is_of_paths_and_roles(images: Path, tmp_path: Path) -> None:
    whole = scan(images, workers=0, progress=quiet).images
    train, held = split(whole, 0.2, seed=0)
    assert fingerprint((train, held)) == fingerprint((train, held))
    different = {
        fingerprint(sets)
        for sets in (
            (train, held),
            (held, train),
            (whole, held),
            (train.subset(held.targets), held),
        )
    }
    assert len(different) == 4
    moved = scan(
        write_images(tmp_path, dict.fromkeys(whole.classes, 10)), workers=0, progress=quiet
    )
    assert fingerprint((moved.images,)) == fingerprint((whole,))


def test_evaluation_prepares_images_as_exports_do(images: Path) -> None:
    found = scan(images, workers=0, progress=quiet).images
    evaluation = EvaluationSet(found, PREPROCESSING)
    assert len(evaluation) == 30
    pixels, target = evaluation[17]
    expected = preprocess_image(load_image(images / found.paths[17]), PREPROCESSING, (32, 48))
    assert torch.equal(pixels, torch.from_numpy(expected))
    assert target == found.targets[17]


def test_training_views_depend_on_seed_epoch_image_and_repeat(images: Path) -> None:
    found = scan(images, workers=0, progress=quiet).images

    def view(seed: int = 0, epoch: int = 0, image: int = 4, repeat: int = 0) -> torch.Tensor:
        views = TrainingSet(found, Recipe(seed=seed), epoch, PREPROCESSING)
        pixels, target = views[Draw(image, (32, 40), repeat)]
        assert target == found.targets[image]
        assert pixels.shape == (3, 32, 40)
        assert pixels.dtype == torch.float32
        assert pixels.min() >= 0
        assert pixels.max() <= 1
        return pixels

    assert torch.equal(view(), view())
    for other in (view(seed=1), view(epoch=1), view(repeat=1)):
        assert not torch.equal(other, view())


def test_training_views_are_normalized_as_evaluation_is(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 9), (255, 51, 0)).save(tmp_path / name / "orange.png")
    found = scan(tmp_path, workers=0, progress=quiet).images
    normalized = replace(PREPROCESSING, normalization=Normalization((0.1, 0.2, 0.3), (0.5, 1, 2)))
    views = TrainingSet(found, Recipe(operations=0), 0, normalized)
    for pixels in (views[Draw(0, (32, 32), 0)][0], EvaluationSet(found, normalized)[0][0]):
        # (0 - 0.1) / 0.5, (0.2 - 0.2) / 1, (1 - 0.3) / 2
        assert pixels.mean(dim=(1, 2)).tolist() == pytest.approx([-0.2, 0, 0.35], abs=1e-6)


def test_training_views_have_their_channels_in_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 9), (255, 0, 0)).save(tmp_path / name / "red.png")
    found = scan(tmp_path, workers=0, progress=quiet).images
    views = TrainingSet(found, Recipe(operations=0), 0, PREPROCESSING)
    pixels, _ = views[Draw(0, (32, 32), 0)]
    assert pixels.mean(dim=(1, 2)).tolist() == [0, 0, 1]
