"""Training for masks: folders of images and masks, views, scores, and whole runs."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import mobilevit_edge as me
from mobilevit_edge.errors import UsageError
from mobilevit_edge.head_specs import DeepLabV3Spec
from mobilevit_edge.models.network import MobileViT
from mobilevit_edge.training import session
from mobilevit_edge.training.augment import augment_pair
from mobilevit_edge.training.data import DataError, split
from mobilevit_edge.training.display import Display
from mobilevit_edge.training.evaluate import evaluate_masks
from mobilevit_edge.training.learner import Learner
from mobilevit_edge.training.losses import loss_of
from mobilevit_edge.training.masks import IGNORED, is_divided, scan_masks
from mobilevit_edge.training.optimize import rate_at
from mobilevit_edge.training.recipe import Recipe, make_recipe
from mobilevit_edge.weights.checkpoint import read_checkpoint
from mobilevit_edge.weights.provenance import labels_of, preprocessing_of
from tests.training.conftest import COLORS, Train, differences, state_of, training_command

CLASSES = ("background", *COLORS)
QUICK = (
    *("--model", "deeplabv3_mobilevit_xxs", "--head-width", 16),
    *("--image-size", 32, "--scales", "32,48", "--batch-size", 4),
    *("--epochs", 2, "--threads", 1, "--learning-rate", 0.01),
)


def quiet(done: int, total: int) -> None:
    pass


def write_pairs(folder: Path, masks: Path, count: int) -> None:
    """Gray images with a square of a class's color, and its mask; the rim does not count."""
    rng = np.random.default_rng(0)
    for each in (folder, masks):
        each.mkdir(parents=True)
    for number in range(count):
        indices = np.zeros((40, 36 + 4 * (number % 3)), np.uint8)
        indices[8:32, 8:32] = IGNORED
        indices[10:30, 10:30] = 1 + number % 3
        palette = np.array([(128, 128, 128), *COLORS.values()])
        colors = palette[np.where(indices == IGNORED, 0, indices)]
        pixels = np.clip(colors + rng.normal(0, 9, colors.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.jpg")
        mask = Image.fromarray(indices)
        if number % 2:
            mask.putpalette(bytes(range(256)) * 3)
        mask.save(masks / f"{number:02d}.png")


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine images with masks; not to be changed."""
    root = tmp_path_factory.mktemp("pairs")
    write_pairs(root / "images", root / "masks", 9)
    (root / "labels.txt").write_text("\n".join(CLASSES))
    return root


@pytest.fixture
def own(pairs: Path, tmp_path: Path) -> Path:
    """A copy, to be damaged."""
    return shutil.copytree(pairs, tmp_path / "own")


def test_a_folder_of_images_and_masks_is_read(own: Path) -> None:
    (own / "images" / "bad.jpg").write_text("junk")
    shutil.copy(own / "masks" / "00.png", own / "masks" / "bad.png")
    seen: list[tuple[int, int]] = []
    found = scan_masks(own, part=None, progress=lambda *at: seen.append(at))
    assert seen[-1] == (10, 10)
    assert found.images.classes == CLASSES
    assert found.images.paths[0] == "images/00.jpg"
    assert found.images.masks is not None
    assert found.images.masks[8] == "masks/08.png"
    assert [path for path, _ in found.unreadable] == ["images/bad.jpg"]
    train, held_out = split(found.images, 0.2, seed=0)
    assert (len(train), len(held_out)) == (7, 2)
    assert held_out.masks is not None
    assert [p[-6:-4] for p in held_out.paths] == [p[-6:-4] for p in held_out.masks]
    assert not set(train.paths) & set(held_out.paths)


def test_the_lists_of_pascal_voc_divide_its_images(tmp_path: Path) -> None:
    write_pairs(tmp_path / "JPEGImages", tmp_path / "SegmentationClass", 6)
    (tmp_path / "SegmentationClass" / "05.png").unlink()
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("00\n01\n03\n\n")
    (lists / "val.txt").write_text("02\n")
    train = scan_masks(tmp_path, part="train", progress=quiet).images
    assert train.paths == ("JPEGImages/00.jpg", "JPEGImages/01.jpg", "JPEGImages/03.jpg")
    assert len(train.classes) == 21
    # Most photos of that data set have no mask.
    assert len(scan_masks(tmp_path, part=None, progress=quiet).images) == 5
    (lists / "val.txt").write_text("05\n")
    with pytest.raises(DataError, match=r"1 of 1 images have no mask .*\n  JPEGImages/05.jpg"):
        scan_masks(tmp_path, part="val", progress=quiet)
    (lists / "val.txt").write_text("02\n../../secret\n")
    with pytest.raises(DataError, match=r"names images that are not in .*\n  ../../secret"):
        scan_masks(tmp_path, part="val", progress=quiet)


def test_lists_beside_images_and_masks_do_not_make_them_train_and_held_out_at_once(
    own: Path,
) -> None:
    lists = own / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for part in ("train", "val"):
        (lists / f"{part}.txt").write_text("00\n")
    assert not is_divided(own)
    display, head = Display(shown=False), DeepLabV3Spec(16, 16, (6, 12, 18), "aligned")
    recipe = Recipe(validation_share=0.2)
    train, held_out, _ = session._read_data(own, None, recipe, head, 0, display)
    assert (len(train), len(held_out)) == (7, 2)
    assert not set(train.paths) & set(held_out.paths)
    # As held-out images of their own, all count.
    _, held_out, _ = session._read_data(own, own, recipe, head, 0, display)
    assert len(held_out) == 9


def _colored(root: Path) -> None:
    Image.new("RGB", (36, 40)).save(root / "masks" / "00.png")


def _beyond(root: Path) -> None:
    Image.fromarray(np.full((40, 36), 4, np.uint8)).save(root / "masks" / "00.png")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: shutil.rmtree(root / "masks"), "holds no masks: a head for masks learns"),
        (lambda root: (root / "labels.txt").unlink(), "labels.txt is missing: it names the"),
        (lambda root: (root / "labels.txt").write_text("one"), "names 1 classes"),
        (lambda root: (root / "masks" / "03.png").unlink(), "1 of 9 images have no mask"),
        (lambda root: Image.new("L", (1, 1)).save(root / "masks" / "00.png"), "1x1 pixels, its"),
        (_colored, "pixels of kind RGB, not indices"),
        (_beyond, "index 4, there are 4 classes (0 to 3; 255: none)"),
        (lambda root: (root / "masks" / "00.png").write_text("junk"), "is not an image"),
        (
            lambda root: Image.new("L", (48, 64)).save(root / "masks" / "00.png", "EPS"),
            "00.png is not an image that can be read",
        ),
        (lambda root: (root / "images" / "00.png").write_text("junk"), "00.jpg and 00.png: which"),
    ],
)
def test_masks_that_cannot_be_trained_on_are_explained(
    own: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(own)
    with pytest.raises(DataError) as caught:
        scan_masks(own, part=None, progress=quiet)
    assert message in str(caught.value)


@pytest.mark.parametrize("seed", range(6))
def test_a_mask_moves_with_its_image(seed: int) -> None:
    indices = np.random.default_rng(seed).integers(0, 4, (5, 6)).astype(np.uint8)
    # Squares far larger than a pixel, whose gray value tells their class.
    mask = Image.fromarray(indices.repeat(24, 0).repeat(24, 1))
    image = Image.fromarray(np.asarray(mask) * 60).convert("RGB")
    recipe = Recipe(operations=0, crop_scale=(0.2, 0.9))
    view, seen = augment_pair(image, mask, (60, 72), recipe, np.random.default_rng(seed))
    assert view.size == seen.size == (72, 60)
    told = np.asarray(view)[:, :, 0] / 60
    # Bilinear pixels on borders are between their neighbors.
    assert (np.abs(told - np.asarray(seen)) < 0.1).mean() > 0.7
    assert len(np.unique(np.asarray(seen))) > 1


class Painted(nn.Module):
    """Answers logits that it was given."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.spec = me.create_model("mobilevit_xxs", head="deeplabv3", num_classes=3).spec
        self.logits = logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits[: len(x)]


def test_scores_are_those_of_pixels_that_count() -> None:
    targets = torch.tensor([[[0, 0, 1, 1], [0, IGNORED, 1, 1]]])
    found = torch.tensor([[[0, 1, 1, 1], [0, 1, 1, 0]]])
    network = Painted(20.0 * nn.functional.one_hot(found, 3).permute(0, 3, 1, 2).float())
    images = torch.zeros(1, 3, 2, 4)
    scored = evaluate_masks(network, [(images, targets)], 3, torch.device("cpu"), lambda _: None)  # type: ignore[arg-type]
    assert scored.confusion.tolist() == [[2, 1, 0], [1, 3, 0], [0, 0, 0]]
    assert scored.ious[:2].tolist() == [2 / 4, 3 / 5]
    assert np.isnan(scored.ious[2])
    assert scored.scores == {"miou": pytest.approx(0.55), "accuracy": 5 / 7}
    assert scored.loss == pytest.approx(2 * 20 / 7, rel=1e-4)


def test_the_loss_is_of_enlarged_logits_and_of_nothing_where_nothing_counts() -> None:
    spec = me.create_model("mobilevitv2_050", head="deeplabv3", num_classes=2).spec
    logits = torch.randn(2, 2, 3, 3, requires_grad=True)
    targets = torch.randint(0, 2, (2, 9, 9))
    targets[:, 4:] = IGNORED
    enlarged = nn.functional.interpolate(logits, (9, 9), mode="bilinear", align_corners=True)
    expected = nn.functional.cross_entropy(enlarged, targets, ignore_index=IGNORED)
    assert torch.allclose(loss_of(spec, logits, targets, 0.0), expected)
    nothing = loss_of(spec, logits, torch.full_like(targets, IGNORED), 0.0)
    nothing.backward()  # type: ignore[no-untyped-call]
    assert nothing.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_the_power_schedule_falls_to_the_final_rate() -> None:
    recipe = Recipe(warmup=0.1, final_rate=0.01, schedule="poly")
    assert rate_at(100, 1000, recipe) == 1.0
    assert rate_at(999, 1000, recipe) == pytest.approx(0.01)
    assert rate_at(550, 1000, recipe) == pytest.approx(0.01 + 0.99 * 0.5**0.9, abs=1e-3)


def test_masks_have_defaults_of_their_own_and_old_recipes_still_load() -> None:
    recipe = make_recipe({"epochs": 3}, for_masks=True)
    assert (recipe.epochs, recipe.image_size, recipe.scales[-1]) == (3, 512, 640)
    older = recipe.as_json()
    for later in ("schedule", "mixup", "cutmix"):
        del older[later]
    assert Recipe.from_json(older) == recipe


@pytest.mark.parametrize("option", ["mixup", "cutmix"])
def test_images_with_masks_are_not_mixed(option: str) -> None:
    with pytest.raises(UsageError, match="not those with masks"):
        make_recipe({option: 1.0}, for_masks=True)


@pytest.fixture(scope="session")
def trained(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole quick run; not to be changed."""
    folder = tmp_path_factory.mktemp("masks") / "run"
    with training_command() as train:
        assert train(pairs, *QUICK, "--output", folder) == 0
    return folder


def test_a_run_leaves_a_checkpoint_that_needs_no_option(trained: Path) -> None:
    checkpoint = read_checkpoint(trained / "checkpoint")
    assert labels_of(checkpoint) == CLASSES
    model = me.load_model(checkpoint)
    assert model.spec.name == "deeplabv3_mobilevit_xxs"
    assert model.spec.head == DeepLabV3Spec(16, 16, (6, 12, 18), "half-pixel-nearest")
    preprocessing = preprocessing_of(checkpoint, model.spec)
    assert (preprocessing.resize, preprocessing.image_size) == ("stretch", (32, 32))
    with (trained / "log.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in ("miou", "accuracy"))
    with (trained / "iou.csv").open(encoding="utf-8") as file:
        assert [row["class"] for row in csv.DictReader(file)] == list(CLASSES)


def test_an_interrupted_run_continues_to_the_same_bits(
    pairs: Path, trained: Path, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real = tmp_path / "run", Learner.step
    steps: Iterator[int] = iter(range(100))

    def stopping(self: Learner, *args: object) -> float:
        if next(steps) == 1:
            signal.raise_signal(signal.SIGINT)
        return real(self, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", stopping)
        assert train(pairs, *QUICK, "--output", folder) == 130
    assert train("--resume", folder, "--output-stride", 8) == 2
    assert train("--resume", folder, "--threads", 1) == 0
    assert differences(state_of(folder), state_of(trained)) == []


@pytest.mark.parametrize("model", ["mobilevit_xxs", "deeplabv3_mobilevit_xxs"])
def test_what_a_checkpoint_has_is_kept(
    model: str,
    pairs: Path,
    trained: Path,
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The backbone of a classifier; everything of a model for these masks."""
    started: dict[str, torch.Tensor] = {}

    def noted(self: Learner, *args: object) -> float:
        network: MobileViT = self._network
        if not started:
            started.update({key: t.clone() for key, t in network.state_dict().items()})
        return 0.0

    weights = trained / "checkpoint"
    if model == "mobilevit_xxs":
        weights = tmp_path / "weights.pt"
        me.save_weights(me.create_model(model, num_classes=7), weights)
    monkeypatch.setattr(Learner, "step", noted)
    options = ("--epochs", 1, "--freeze-backbone", "--weights", weights, "--json")
    assert train(pairs, *QUICK, *options, "--output", tmp_path / "run") == 0
    out, err = capsys.readouterr()
    assert json.loads(out).keys() == {"checkpoint", "model", "epoch", "miou", "accuracy"}
    source = me.load_model(weights).state_dict()
    kept = [key for key in started if key in source and torch.equal(started[key], source[key])]
    is_whole = model != "mobilevit_xxs"
    assert ("the head starts at random" in err) != is_whole
    lost = [key for key in started if key not in kept and "num_batches" not in key]
    assert all(key.startswith("head.") for key in lost)
    assert (lost == []) == is_whole


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--model", "ssdlite_mobilevit_xxs"), 2, "heads for boxes are not trained here"),
        (("--model", "mobilevit_xxs"), 2, "--head-width belong to models for masks"),
        (("--head-width", 4), 2, "--head-width 4 is out of range: 8 to 2048"),
        (("--class-balanced",), 2, "a mask has several"),
        (("--weights", "demo"), 4, "not of deeplabv3_mobilevit_xxs: pass --model deeplabv3_mobil"),
    ],
)
def test_what_cannot_be_trained_is_said_at_once(
    options: tuple[object, ...],
    code: int,
    message: str,
    pairs: Path,
    train: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train(pairs, *QUICK, *options, "--output", tmp_path / "run") == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
