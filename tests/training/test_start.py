"""The checkpoints that runs start from, and the configs that they write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.models.network import find_spec
from mobilevit_edge.normalization import Normalization
from mobilevit_edge.training.checkpoint import read_start, starting_network
from mobilevit_edge.weights.checkpoint import read_checkpoint
from mobilevit_edge.weights.provenance import preprocessing_of
from tests.conftest import filled_model
from tests.training.conftest import QUICK, Train, state_of

CLASSES = ("blue", "green", "red")
SETTINGS: dict[str, Any] = {
    "channel_order": "BGR",
    "resize": "stretch",
    "interpolation": "bicubic",
    "crop_fraction": 0.5,
    "image_size": [64, 96],
}


def folder_of(path: Path, *, classes: int, config: object, model: str = "mobilevit_xxs") -> Path:
    path.mkdir()
    me.save_weights(filled_model(model, num_classes=classes), path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(config))
    return path


def start(path: Path, told: list[str]) -> me.MobileViT:
    checkpoint = read_start("mobilevit_xxs", str(path))
    return starting_network(find_spec("mobilevit_xxs"), CLASSES, checkpoint, told.append)[0]


@pytest.mark.parametrize("config", [{}, {"label_names": list(CLASSES)}])
def test_a_checkpoint_for_these_classes_keeps_its_classifier(
    tmp_path: Path, config: object
) -> None:
    told: list[str] = []
    network = start(folder_of(tmp_path / "c", classes=3, config=config), told)
    wanted = filled_model("mobilevit_xxs", num_classes=3).state_dict()
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in network.state_dict().items())
    assert told == []


@pytest.mark.parametrize(
    ("classes", "config", "reason"),
    [
        (5, {}, "5 classes (here: 3 classes)"),
        (0, {}, "0 classes (here: 3 classes)"),
        (3, {"label_names": ["blue", "red", "green"]}, "other class names"),
    ],
)
def test_a_checkpoint_for_other_classes_gets_a_new_classifier_and_says_so(
    tmp_path: Path, classes: int, config: object, reason: str
) -> None:
    told: list[str] = []
    network = start(folder_of(tmp_path / "c", classes=classes, config=config), told)
    wanted = filled_model("mobilevit_xxs", num_classes=3).state_dict()
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, wanted[key]) != key.startswith("head."), key
    (line,) = told
    assert "the classifier starts at random" in line
    assert reason in line


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "c", classes=3, config={}, model="mobilevitv2_050")
    with pytest.raises(CheckpointError, match="of mobilevitv2_050, not of mobilevit_xxs"):
        read_start("mobilevit_xxs", str(path))


def test_fine_tuning_keeps_the_channel_order_and_normalization_of_its_start(
    few_images: Path, train: Train, tmp_path: Path
) -> None:
    normalization = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    settings = {**SETTINGS, "normalization": normalization}
    path = folder_of(tmp_path / "c", classes=3, config={"preprocessing": settings})
    options = ("--epochs", 1, "--weights", path, "--freeze-backbone", "--output", tmp_path / "run")
    assert train(few_images, *QUICK, *options) == 0
    run = state_of(tmp_path / "run")["run"]
    assert run["channel_order"] == "BGR"
    assert run["normalization"] == {key: tuple(value) for key, value in normalization.items()}
    config = json.loads((tmp_path / "run" / "checkpoint" / "config.json").read_text("utf-8"))
    assert config["preprocessing"]["channel_order"] == "BGR"
    assert config["preprocessing"]["normalization"] == normalization
    found = preprocessing_of(
        read_checkpoint(tmp_path / "run" / "checkpoint"), me.create_model("mobilevit_xxs").spec
    )
    assert found.normalization == Normalization((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    trained = me.load_model(tmp_path / "run" / "checkpoint").state_dict()
    before = filled_model("mobilevit_xxs", num_classes=3).state_dict()
    changed = {key for key, tensor in trained.items() if not torch.equal(tensor, before[key])}
    assert changed == {"head.weight", "head.bias"}


def test_freezing_needs_weights(
    images: Path, train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(images, *QUICK, "--freeze-backbone", "--output", tmp_path / "run") == 2
    assert "needs --weights" in capsys.readouterr().err


def test_a_config_of_ours_decides_the_preprocessing(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "c", classes=3, config={"preprocessing": SETTINGS})
    found = preprocessing_of(read_checkpoint(path), me.create_model("mobilevit_xxs").spec)
    assert (found.channel_order, found.resize, found.interpolation) == ("BGR", "stretch", "bicubic")
    assert (found.crop_fraction, found.image_size) == (0.5, (64, 96))
    assert found.provenance == "config.json of the checkpoint, written by mobilevit-train"


@pytest.mark.parametrize(
    "change",
    [
        {"channel_order": "GBR"},
        {"resize": "pad"},
        {"interpolation": "nearest"},
        {"interpolation": ["bilinear"]},
        {"crop_fraction": 0},
        {"crop_fraction": 1.5},
        {"crop_fraction": None},
        {"image_size": [16, 64]},
        {"image_size": [64.0, 64.0]},
        {"image_size": [64]},
        {"image_size": 64},
        {"image_size": [64, 10**6]},
    ],
    ids=str,
)
def test_a_config_that_cannot_be_understood_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    config = {"preprocessing": {**SETTINGS, **change}}
    checkpoint = read_checkpoint(folder_of(tmp_path / "c", classes=3, config=config))
    with pytest.raises(CheckpointError, match="preprocessing config cannot be understood"):
        preprocessing_of(checkpoint, me.create_model("mobilevit_xxs").spec)


@pytest.mark.parametrize("settings", [None, [], "RGB", {}], ids=str)
def test_settings_that_are_no_object_or_incomplete_are_refused(
    tmp_path: Path, settings: object
) -> None:
    path = folder_of(tmp_path / "c", classes=3, config={"preprocessing": settings})
    with pytest.raises(CheckpointError, match="cannot be understood"):
        preprocessing_of(read_checkpoint(path), me.create_model("mobilevit_xxs").spec)
