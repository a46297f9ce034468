"""Labeled photos name the preprocessing that a model was trained with."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from converters.checks.accuracy import LabeledImage, find_labeled
from converters.checks.diagnosis import (
    Diagnosis,
    Trial,
    candidates,
    check_preprocessing,
    could_be_wrong,
    diagnose,
    luck,
    upper_tail,
)
from converters.job.job import ExportJob
from converters.job.options import ExportOptions
from converters.job.source import SourceModel
from mobilevit_edge.errors import ImageError, PreprocessingError
from mobilevit_edge.formats.manifest import SourceInfo
from mobilevit_edge.normalization import PRESETS
from mobilevit_edge.preprocess import Preprocessing
from tests.support.exports import Checkpoints, Command

LABELS = ("red", "green", "blue")
SIZE = 32
GIVEN = Preprocessing("RGB", "stretch", "bilinear", 1.0, (SIZE, SIZE), "test")


class Brightest(torch.nn.Module):
    """The class of the brightest channel, in images from -1 to 1 alone: darker ones are class 1."""

    num_classes = 3

    def __init__(self, *, centered: bool) -> None:
        super().__init__()
        self.centered = centered

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = 10 * x.mean((2, 3))
        if self.centered:
            # [B]: images that were not normalized have nothing below zero.
            scores[x.amin((1, 2, 3)) >= 0] = torch.tensor([0.0, 9.0, 0.0])
        return scores


def job(folder: Path, preprocessing: Preprocessing = GIVEN, **settings: Any) -> ExportJob:
    centered = settings.pop("centered", False)
    source = SourceModel(
        model=Brightest(centered=centered),  # type: ignore[arg-type]
        outputs=3,
        image_size=(SIZE, SIZE),
        preprocessing=preprocessing,
        labels=LABELS,
        labels_source="test",
        origin=SourceInfo("test", None, "", None, ()),
    )
    options = ExportOptions("test", "onnx", verify=folder, **settings)
    return ExportJob(options, source, takes_pixels=False, activation="none")


def quiet(_: str) -> None:
    """No progress."""


def write_photos(folder: Path, labels: tuple[str, ...], each: int = 12) -> Path:
    rng = np.random.default_rng(0)
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(each):
            pixels = rng.integers(0, 120, (24, 40, 3), dtype=np.uint8)
            pixels[..., LABELS.index(label)] += 100
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def labeled(folder: Path) -> tuple[LabeledImage, ...]:
    return find_labeled(folder, LABELS)


def test_the_other_channel_order_is_named(tmp_path: Path) -> None:
    photos = write_photos(tmp_path, LABELS)
    found = diagnose(job(photos, replace(GIVEN, channel_order="BGR")), labeled(photos), quiet)
    assert found.images == 36
    assert sum(found.given.right) == 12
    assert found.clearly_better is not None
    assert sum(found.clearly_better.right) == 36
    assert found.options.endswith("--channel-order RGB")


def test_where_photos_cannot_tell_images_are_stretched(tmp_path: Path) -> None:
    photos = write_photos(tmp_path, LABELS)
    given = replace(GIVEN, channel_order="BGR", resize="crop", crop_fraction=0.9)
    found = diagnose(job(photos, given), labeled(photos), quiet)
    assert found.options.endswith("--channel-order RGB --resize stretch")


def test_the_normalization_is_named(tmp_path: Path) -> None:
    photos = write_photos(tmp_path, LABELS)
    found = diagnose(job(photos, centered=True), labeled(photos), quiet)
    assert found.options.startswith(("--normalize half", "--normalize imagenet"))
    best = found.trials[0].preprocessing
    assert best.normalization in (PRESETS["half"], PRESETS["imagenet"])
    assert best.channel_order == "RGB"


def test_every_combination_is_tried_once() -> None:
    assert len(candidates(GIVEN)) == 12
    own = replace(GIVEN, normalization=PRESETS["imagenet"].reversed())
    assert len(candidates(own)) == 13
    assert len(set(candidates(own))) == 13
    assert candidates(own)[0] == own


def test_a_model_that_answers_rightly_is_not_looked_into(tmp_path: Path) -> None:
    photos = write_photos(tmp_path, LABELS)
    assert check_preprocessing(job(photos), labeled(photos), quiet) is None


def test_answers_no_better_than_chance_stop_the_export_with_the_options(tmp_path: Path) -> None:
    photos = write_photos(tmp_path, ("red", "blue"))
    swapped = replace(GIVEN, channel_order="BGR")
    with pytest.raises(PreprocessingError, match="answers 0 of 24") as caught:
        check_preprocessing(job(photos, swapped), labeled(photos), quiet)
    assert "--channel-order RGB" in str(caught.value)
    trusted = job(photos, swapped, trust_preprocessing=True)
    found = check_preprocessing(trusted, labeled(photos), quiet)
    assert found is not None
    assert "--channel-order RGB" in found.options


def test_a_model_that_nothing_helps_is_the_wrong_one(tmp_path: Path) -> None:
    photos = write_photos(tmp_path, LABELS)
    rotated = tuple(replace(image, label=(image.label + 1) % 3) for image in labeled(photos))
    with pytest.raises(PreprocessingError, match="is it the right checkpoint"):
        check_preprocessing(job(photos), rotated[:24], quiet)


def test_photos_of_which_none_can_be_read_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "red" / "a.png"
    path.parent.mkdir()
    path.write_bytes(b"no image")
    with pytest.raises(ImageError, match="none of the 1"):
        diagnose(job(tmp_path), [LabeledImage(path, 0)], quiet)


def test_few_wrong_answers_are_not_looked_into() -> None:
    # 0.5**4 is above 5 %, 0.5**5 below.
    assert next(wrong for wrong in range(20) if could_be_wrong(wrong)) == 5


def trial(preprocessing: Preprocessing, right: int, sure: float) -> Trial:
    """Of 100 photos, the first are answered rightly, as surely as that, and the rest by guess."""
    return Trial(
        preprocessing,
        (True,) * right + (False,) * (100 - right),
        (math.log(sure),) * right + (math.log(0.3),) * (100 - right),
    )


OTHER = replace(GIVEN, normalization=PRESETS["half"])


def test_a_model_that_copes_with_another_normalization_is_told_its_own() -> None:
    """Four more right of a hundred may be luck; being surer of nearly all of them is none."""
    given, better = trial(GIVEN, 94, 0.9), trial(OTHER, 98, 0.97)
    assert Diagnosis(given, (better, given), 0.25).options == "--normalize half"


def test_four_more_right_answers_alone_are_not_clear() -> None:
    given, other = trial(GIVEN, 94, 0.9), trial(OTHER, 98, 0.9)
    assert Diagnosis(given, (other, given), 0.25).clearly_better is None


def test_surer_answers_that_are_not_more_often_right_are_no_better() -> None:
    given, other = trial(GIVEN, 94, 0.9), trial(OTHER, 94, 0.97)
    assert Diagnosis(given, (other, given), 0.25).clearly_better is None


def test_luck_is_as_rare_as_it_says() -> None:
    rng = np.random.default_rng(4)
    found = []
    for _ in range(200):
        one, other = (
            Trial(GIVEN, (True,) * 30, tuple(np.log(rng.uniform(0.01, 1, 30)))) for _ in range(2)
        )
        found.append(luck(one, other))
    # Of 200 comparisons of equals 10 are expected below 5 %, and more than 20 in one of a thousand.
    assert sum(value < 0.05 for value in found) <= 20
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("trials", "successes", "probability", "expected"),
    [(4, 4, 0.5, 1 / 16), (4, 0, 0.5, 1.0), (10, 9, 0.25, 31 / 4**10), (0, 0, 0.5, 1.0)],
)
def test_the_tail_of_the_binomial_distribution(
    trials: int, successes: int, probability: float, expected: float
) -> None:
    assert math.isclose(upper_tail(trials, successes, probability), expected)


@pytest.mark.backend
def test_the_command_prints_a_table(
    export: Command, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    for label in ("class_0", "class_1"):
        (photos / label).mkdir(parents=True)
        Image.new("RGB", (40, 40), (200, 100, 50)).save(photos / label / "a.png")
    given = ("--diagnose", "--weights", checkpoint("v1_lean"), "--image-size", "64")
    finished = export(*given, "--verify", photos)
    assert finished.code == 0, finished.err
    assert "as given" in finished.out
    printed = json.loads(export(*given, "--verify", photos, "--json").out)
    assert (printed["images"], len(printed["trials"])) == (2, 12)
    without = export(*given)
    assert (without.code, "--diagnose needs --verify" in without.err) == (2, True)
    unlabeled = export(*given, "--verify", photos / "class_0")
    assert (unlabeled.code, "needs labeled photos" in unlabeled.err) == (2, True)
