"""Folders of weights: several files with an index, and what trainers write beside the weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.weights.saving import named_weights
from tests.conftest import filled_model

State = Mapping[str, Tensor]


@lru_cache(maxsize=1)
def weights() -> dict[str, Tensor]:
    return named_weights(filled_model("mobilevit_xxs", num_classes=3), "transformers")


def is_original(checkpoint: me.Checkpoint) -> bool:
    expected = filled_model("mobilevit_xxs", num_classes=3).state_dict()
    state = me.load_model(checkpoint).state_dict()
    return all(torch.equal(expected[key], value) for key, value in state.items())


def sharded(folder: Path, name: str, save: Callable[[State, Path], None]) -> Path:
    """Weights in three files, and their index."""
    stem, suffix = name.split(".")
    names = list(weights())
    places: dict[str, str] = {}
    for index in range(3):
        file = f"{stem}-0000{index + 1}-of-00003.{suffix}"
        part = {name: weights()[name] for name in names[index::3]}
        save(part, folder / file)
        places |= dict.fromkeys(part, file)
    index_file = folder / f"{name}.index.json"
    index_file.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return index_file


def save_safetensors(state: State, path: Path) -> None:
    save_file(dict(state), path)


def save_torch(state: State, path: Path) -> None:
    torch.save(dict(state), path)


KINDS = [("model.safetensors", save_safetensors), ("pytorch_model.bin", save_torch)]


@pytest.mark.parametrize(("name", "save"), KINDS, ids=["safetensors", "bin"])
@pytest.mark.parametrize("named", ["folder", "index"])
def test_weights_in_several_files_are_put_together(
    tmp_path: Path, name: str, save: Callable[[State, Path], None], named: str
) -> None:
    index = sharded(tmp_path, name, save)
    (tmp_path / "config.json").write_text('{"id2label": {"0": "a", "1": "b", "2": "c"}}')
    checkpoint = me.read_checkpoint(tmp_path if named == "folder" else index)
    assert is_original(checkpoint)
    assert (checkpoint.config is not None) == (named == "folder")
    before = checkpoint.sha256
    assert before is not None
    assert len(before) == 64
    changed = {key: tensor + 1 for key, tensor in list(weights().items())[::3]}
    save(changed, next(iter(sorted(tmp_path.glob("*-00001-*")))))
    assert me.read_checkpoint(tmp_path).sha256 != before


def test_one_file_of_several_is_not_the_checkpoint(tmp_path: Path) -> None:
    sharded(tmp_path, "model.safetensors", save_safetensors)
    with pytest.raises(CheckpointError, match="differs in"):
        me.load_model(tmp_path / "model-00001-of-00003.safetensors")


@pytest.mark.parametrize(
    "file",
    ["../secret.bin", "/etc/passwd", "sub/x.bin", "..", ".", "", "..\\x.bin", "a/../../x"],
)
def test_an_index_that_names_files_elsewhere_is_refused(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    save_file(weights(), tmp_path / "secret.bin")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict.fromkeys(weights(), file)}))
    with pytest.raises(CheckpointError, match="must lie beside it"):
        me.read_checkpoint(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "no weight_map"),
        ('{"weight_map": [1]}', "no weight_map"),
        ('{"weight_map": {"a": 3}}', "no weight_map"),
        ('{"weight_map": {}}', "holds no tensors"),
        ("{", "cannot read"),
        ('{"weight_map": {"a.b": "missing.safetensors"}}', "missing.safetensors: No such file"),
    ],
)
def test_a_damaged_index_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        me.read_checkpoint(tmp_path)


def test_a_file_that_lacks_what_the_index_names_is_refused(tmp_path: Path) -> None:
    index = sharded(tmp_path, "model.safetensors", save_safetensors)
    content = json.loads(index.read_text())
    content["weight_map"] |= {f"extra.{n}": "model-00002-of-00003.safetensors" for n in range(20)}
    index.write_text(json.dumps(content))
    message = r"00002-of-00003\.safetensors lacks extra\.0.* and 14 more.*download both again"
    with pytest.raises(CheckpointError, match=message):
        me.read_checkpoint(tmp_path)


TRAINERS = [
    ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "scaler.pt"),
    ("optimizer.bin", "scheduler.bin", "rng_state_0.pth", "rng_state_1.pth"),
]


@pytest.mark.parametrize("beside", TRAINERS)
@pytest.mark.parametrize("name", ["weights.pt", "mobilevit.pth", "weights.bin", "last.ckpt"])
def test_what_a_trainer_writes_beside_the_weights_is_passed_over(
    tmp_path: Path, name: str, beside: tuple[str, ...]
) -> None:
    for other in beside:
        torch.save({"state": {}}, tmp_path / other)
    torch.save({"state_dict": weights()}, tmp_path / name)
    assert is_original(me.read_checkpoint(tmp_path))


def test_a_folder_of_trainer_state_alone_holds_no_weights(tmp_path: Path) -> None:
    for other in TRAINERS[0]:
        torch.save({"state": {}}, tmp_path / other)
    with pytest.raises(CheckpointError, match="holds no weights"):
        me.read_checkpoint(tmp_path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".ckpt", ".bin", ".dat", ""])
@pytest.mark.parametrize("save", [save_safetensors, save_torch])
def test_the_content_decides_and_not_the_suffix(
    tmp_path: Path, suffix: str, save: Callable[[State, Path], None]
) -> None:
    path = tmp_path / f"weights{suffix}"
    save(weights(), path)
    assert is_original(me.read_checkpoint(path))
