"""The demo's picture, and its checkpoint."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.support.tools import run_tool
from tools import demo, make_demo_checkpoint
from tools.make_demo_checkpoint import round_checkpoint

WHITE, RED, GRAY, BLUE = (255, 255, 255), (255, 0, 0), (230, 230, 230), (42, 125, 225)


def test_bars_are_as_long_as_their_probabilities(tmp_path: Path) -> None:
    Image.new("RGB", (480, 320), RED).save(tmp_path / "photo.png")
    classes = [{"label": "cat", "probability": 0.75}, {"label": "dog", "probability": 0.25}]
    picture = demo.draw(tmp_path / "photo.png", classes)
    assert picture.size == (480 + 360, 320)
    assert picture.getpixel((479, 319)) == RED
    for top, end in ((20 + 30, 240), (20 + 54 + 30, 80)):
        bar = [picture.getpixel((500 + x, top)) for x in (0, end - 2, end + 2, 318, 322)]
        assert bar == [BLUE, BLUE, GRAY, GRAY, WHITE]


@pytest.mark.skipif(find_spec("skimage") is not None, reason="the photo is there")
def test_without_the_photo_the_command_that_fetches_it_is_named() -> None:
    finished = run_tool(demo)
    assert finished.code == 3
    assert "make demo" in finished.err


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
