"""The demo's picture, and its checkpoint."""

from __future__ import annotations

import json
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import mobilevit_edge as me
from mobilevit_edge.errors import ToolchainError
from mobilevit_edge.training.masks import scan_masks
from tests.support.tools import run_tool
from tools import demo, make_collages, make_demo_checkpoint
from tools.make_demo_checkpoint import round_checkpoint

RIGHT, WRONG = (29, 122, 70), (179, 38, 30)
BAR, EMPTY, WHITE, RED = (156, 196, 242), (238, 241, 245), (255, 255, 255), (255, 0, 0)


def test_every_photo_has_bars_as_long_as_its_probabilities(tmp_path: Path) -> None:
    Image.new("RGB", (480, 320), RED).save(tmp_path / "photo.png")
    classes = [{"label": "cat", "probability": 0.75}, {"label": "dog", "probability": 0.25}]
    picture = demo.draw([(tmp_path / "photo.png", "cat", classes)] * 4)
    assert picture.size == (20 + 3 * 260, 20 + 2 * 358)
    for left, top in ((20, 20), (540, 20), (20, 378)):
        assert picture.getpixel((left + 239, top + 239)) == RED
        for line, end in ((0, 180), (1, 60)):
            y = top + 240 + 6 + 26 * line + 21
            bar = [picture.getpixel((left + x, y)) for x in (0, end - 2, end + 2, 239, 243)]
            assert bar == [BAR, BAR, EMPTY, EMPTY, WHITE]
    assert picture.getpixel((300, 400)) == WHITE


def test_a_wrong_answer_is_seen(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    for name, color, other in (("cat", RIGHT, WRONG), ("dog", WRONG, RIGHT)):
        classes = [{"label": "cat", "probability": 0.0}]
        picture = demo.draw([(tmp_path / "photo.png", name, classes)])
        colors = {color for _, color in picture.getcolors(2**20) or []}
        assert color in colors
        assert other not in colors


def test_the_photos_are_of_classes_that_the_checkpoint_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = json.loads((Path(me.__file__).parent / "data" / "demo" / "config.json").read_text())
    assert len(demo.PHOTOS) == 6
    assert set(demo.PHOTOS) <= set(labels["label_names"])
    for package, place in set(demo.PHOTOS.values()):
        photo = tmp_path / package / place
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(b"photo")
        (tmp_path / package / "__init__.py").touch()
    monkeypatch.setattr(
        demo,
        "find_spec",
        lambda name: ModuleSpec(name, None, origin=str(tmp_path / name / "__init__.py")),
    )
    found = demo.gather(tmp_path / "photos")
    assert {path.parent.name for path in found.values()} == set(demo.PHOTOS)
    assert all(path.read_bytes() == b"photo" for path in found.values())


def test_without_the_photos_the_command_that_fetches_them_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(ToolchainError, match="make demo"):
        demo.gather(tmp_path)


def test_a_checkpoint_is_rounded_without_its_counters(tmp_path: Path) -> None:
    checkpoint, target = tmp_path / "checkpoint", tmp_path / "demo"
    checkpoint.mkdir()
    weight = torch.tensor([1.0, 1 / 3])
    save_file(
        {"norm.weight": weight, "norm.num_batches_tracked": torch.tensor(7)},
        checkpoint / "model.safetensors",
    )
    (checkpoint / "config.json").write_text(json.dumps({"model": "mobilevit_xxs"}))
    round_checkpoint(checkpoint, target)
    (found,) = load_file(target / "model.safetensors").items()
    assert found[0] == "norm.weight"
    assert torch.equal(found[1], weight.half())
    assert json.loads((target / "config.json").read_text()) == {"model": "mobilevit_xxs"}


def test_a_folder_that_training_has_not_written_is_named(tmp_path: Path) -> None:
    finished = run_tool(make_demo_checkpoint, tmp_path)
    assert finished.code == 4
    assert str(tmp_path / "checkpoint") in finished.err


def test_collages_have_the_masks_of_what_is_in_them(tmp_path: Path) -> None:
    for name, color in (("leaf", "green"), ("rust", "red")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32), color).save(tmp_path / "photos" / name / "0.png")
    options = [str(tmp_path / "photos"), str(tmp_path / "out"), "--count", "12"]
    make_collages.command(make_collages.parser().parse_args(options))
    found = scan_masks(tmp_path / "out", part=None, progress=lambda *_: None).images
    assert found.classes == ("background", "leaf", "rust")
    assert found.masks is not None
    seen = set()
    for path, mask in zip(found.paths, found.masks, strict=True):
        with Image.open(found.root / path) as image, Image.open(found.root / mask) as indices:
            pixels, labels = np.asarray(image).astype(int), np.asarray(indices)
        seen |= set(np.unique(labels).tolist())
        # Away from edges, which JPEG blurs, a photo's pixels have its color.
        for index, channel in ((1, 1), (2, 0)):
            inside = pixels[labels == index]
            if len(inside):
                assert (inside.argmax(1) == channel).mean() > 0.9
    assert seen == {0, 1, 2}


def test_weights_for_masks_have_a_place_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    monkeypatch.setattr(
        make_demo_checkpoint, "round_checkpoint", lambda _, target: written.append(target)
    )
    (tmp_path / "checkpoint").mkdir()
    for config in ("{}", '{"mask_resize": "aligned"}'):
        (tmp_path / "checkpoint" / "config.json").write_text(config)
        options = make_demo_checkpoint.parser().parse_args([str(tmp_path)])
        make_demo_checkpoint.command(options)
    assert [path.name for path in written] == ["demo", "demo_segmentation"]
