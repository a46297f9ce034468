"""Several images at once: folders, bad ones beside good ones, batches; what counts as an image."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from converters.api import predict as classify
from converters.classifier import Classifier
from converters.targets.loaded import Array, LoadedModel
from mobilevit_edge.errors import ImageError
from mobilevit_edge.formats.bundle import read_bundle
from mobilevit_edge.image_files import find_images, image_suffixes
from tests.support.bundles import rewrite, write_bundle
from tests.support.exports import Command

COLORS = ("red", "green", "blue", "maroon", "lime", "navy", "gold")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle in the place of an exported one."""
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Seven photos, each of its own color, in the order of their names."""
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(len(COLORS))]
    for path, color in zip(paths, COLORS, strict=True):
        Image.new("RGB", (80, 80), color).save(path)
    return paths


def answers(out: str) -> list[tuple[str, float]]:
    """The image and the best value of every prediction."""
    return [(p["image"], p["classes"][0]["value"]) for p in json.loads(out)["predictions"]]


def test_a_folder_stands_for_its_images(bundle: Path, predict: Command, photos: list[Path]) -> None:
    (photos[0].parent / "notes.txt").write_text("no image")
    single = predict(bundle, *photos, "--json")
    folder = predict(bundle, photos[0].parent, "--json")
    assert folder.code == single.code == 0, folder.err
    assert answers(folder.out) == answers(single.out)
    assert [image for image, _ in answers(folder.out)] == [str(path) for path in photos]


def test_bad_photos_are_named_and_good_ones_answered(
    bundle: Path, predict: Command, photos: list[Path]
) -> None:
    bad, missing = photos[0].with_name("bad.jpg"), photos[0].with_name("missing.jpg")
    bad.write_text("not an image")
    finished = predict(bundle, photos[0], bad, missing, photos[1], "--json")
    assert finished.code == 4
    assert [image for image, _ in answers(finished.out)] == [str(photos[0]), str(photos[1])]
    errors: list[dict[str, Any]] = json.loads(finished.out)["errors"]
    assert [error["image"] for error in errors] == [str(bad), str(missing)]
    for path, error in zip((bad, missing), errors, strict=True):
        assert str(path) in error["error"]
        assert error["error"] in finished.err
    text = predict(bundle, photos[0], bad)
    assert text.code == 4
    assert str(photos[0]) in text.out
    assert str(bad) in text.err


def test_from_python_an_image_that_cannot_be_read_is_an_error(
    bundle: Path, photos: list[Path]
) -> None:
    assert len(classify(bundle, photos[:2])) == 2
    with pytest.raises(ImageError, match=r"missing\.png"):
        classify(bundle, [photos[0], photos[0].with_name("missing.png")])


@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_a_batch_is_filled_with_different_photos_and_answers_as_single_ones(
    bundle: Path, tmp_path: Path, photos: list[Path], count: int
) -> None:
    batches: list[Array] = []

    def run(x: Array) -> Array:
        batches.append(x)
        return np.asarray(np.mean(x, (2, 3)), np.float32)

    folder = write_bundle(tmp_path / "three", batch=3)
    three = Classifier(read_bundle(folder), LoadedModel(run, "test"))
    batches.clear()
    single = Classifier(read_bundle(bundle)).classify(photos[:count], 3)
    given = [*photos[: count - 1], tmp_path / "missing.png", photos[count - 1]]
    found = three.classify(given, 3)
    assert len(batches) == -(-count // 3)
    assert {len(batch) for batch in batches} == {3}
    assert [p.image for p in found.predictions] == [p.image for p in single.predictions]
    for one, other in zip(found.predictions, single.predictions, strict=True):
        assert [c.label for c in one.classes] == [c.label for c in other.classes]
        np.testing.assert_allclose(
            [c.value for c in one.classes], [c.value for c in other.classes], atol=1e-5
        )
    assert [u.image for u in found.unreadable] == [str(tmp_path / "missing.png")]


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "jpe", "jfif", "avif", "webp", "tif", "qoi"])
def test_every_suffix_of_a_decoder_is_an_images(
    tmp_path: Path, photos: list[Path], suffix: str
) -> None:
    (tmp_path / "set").mkdir()
    path = shutil.copy(photos[0], tmp_path / "set" / f"photo.{suffix}")
    assert find_images(tmp_path / "set") == [path]


def test_what_is_no_photo_has_no_images_suffix() -> None:
    assert {".heic", ".heif"} <= image_suffixes()
    assert image_suffixes().isdisjoint({".pdf", ".eps", ".ps", ".mpg", ".h5", ".txt", ".svg", ""})


def test_hidden_files_are_no_images(tmp_path: Path, photos: list[Path]) -> None:
    shutil.copy(photos[0], photos[0].with_name("._0.png"))
    hidden = photos[0].parent / ".cache"
    hidden.mkdir()
    shutil.copy(photos[0], hidden)
    assert find_images(photos[0].parent) == photos
    assert find_images(hidden) == [hidden / "0.png"]


def test_links_to_folders_are_followed_but_not_in_circles(
    tmp_path: Path, photos: list[Path]
) -> None:
    folder = tmp_path / "set"
    (folder / "inner").mkdir(parents=True)
    (folder / "linked").symlink_to(photos[0].parent)
    for name, place in (("again", "."), ("up", ".."), ("nowhere", "lost"), ("itself", "itself")):
        (folder / "inner" / name).symlink_to(place)
    shutil.copy(photos[0], folder / "inner")
    linked = [folder / "linked" / photo.name for photo in photos]
    assert find_images(folder) == [folder / "inner" / "0.png", *linked]


@pytest.fixture
def no_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A system where no temporary file can be made; pytest has made its own before."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere"])


@pytest.mark.usefixtures("no_temporary_folder")
def test_onnx_answers_where_no_temporary_file_can_be_made(
    bundle: Path, predict: Command, photos: list[Path]
) -> None:
    finished = predict(bundle, *photos)
    assert finished.code == 0, finished.err


@pytest.mark.usefixtures("no_temporary_folder")
@pytest.mark.parametrize(
    ("target", "name"), [("executorch", "model.pte"), ("coreml", "model.mlpackage")]
)
def test_runtimes_that_need_temporary_files_say_so(
    bundle: Path, predict: Command, photos: list[Path], target: str, name: str
) -> None:
    (bundle / "model.onnx").rename(bundle / name)
    rewrite(bundle, target=target)
    finished = predict(bundle, *photos)
    assert finished.code == 4
    assert "TMPDIR=" in finished.err


@pytest.mark.usefixtures("no_temporary_folder")
def test_an_export_that_needs_temporary_files_says_so(export: Command, tmp_path: Path) -> None:
    options = ("--target", "onnx", "--weights", "random", "--model", "mobilevit_xxs")
    finished = export(*options, "--output", tmp_path / "new")
    assert finished.code == 4
    assert "TMPDIR=" in finished.err
    assert not (tmp_path / "new").exists()
