"""Unwrapping: wrappers, prefixes, averaged copies, and what lies beside the weights."""

from __future__ import annotations

import json
import tracemalloc
from collections import OrderedDict
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.files import sha256_of
from mobilevit_edge.weights.naming import NAMINGS, Naming
from mobilevit_edge.weights.pickles import Inert
from mobilevit_edge.weights.provenance import labels_of
from mobilevit_edge.weights.saving import named_weights
from tests.conftest import filled_model

State = dict[str, Tensor]


@lru_cache(maxsize=4)
def weights(naming: Naming = "cvnets") -> State:
    return named_weights(filled_model("mobilevit_xxs", num_classes=3), naming)


def changed(state: State) -> State:
    return {key: tensor + 1 for key, tensor in state.items()}


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


def is_original(checkpoint: me.Checkpoint) -> bool:
    model = me.load_model(checkpoint)
    expected = filled_model("mobilevit_xxs", num_classes=3).state_dict()
    return all(torch.equal(expected[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize(
    "path", ["", "state_dict", "model", "model_state_dict", "net.state_dict", "a.b.c"]
)
def test_wrappers_are_opened_and_named(naming: str, path: str) -> None:
    content: Any = OrderedDict(weights(naming))
    for key in reversed(path.split(".")) if path else []:
        content = {"epoch": 3, "note": "x", key: content}
    checkpoint = me.read_checkpoint(content)
    assert (checkpoint.naming, checkpoint.wrapper) == (naming, path)
    assert is_original(checkpoint)


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("prefix", ["module.", "module.encoder.", "a.b.c.d."])
def test_prefixes_are_removed_and_strangers_beside_them_ignored(naming: str, prefix: str) -> None:
    state = prefixed(prefix, weights(naming)) | {"seg_head.weight": torch.zeros(2)}
    checkpoint = me.read_checkpoint({"state_dict": state})
    assert checkpoint.wrapper == f"state_dict.{prefix}".rstrip(".")
    assert checkpoint.ignored == ("seg_head.weight",)
    assert is_original(checkpoint)


@pytest.mark.parametrize("ema", ["ema", "state_dict_ema", "model_ema", "ema_state_dict"])
@pytest.mark.parametrize("ema_first", [True, False])
def test_the_averaged_copy_is_preferred(ema: str, ema_first: bool) -> None:
    good, other = weights(), changed(weights())
    content = {ema: good, "model": other} if ema_first else {"model": other, ema: good}
    checkpoint = me.read_checkpoint(content)
    assert checkpoint.wrapper == ema
    assert is_original(checkpoint)


def test_the_averaged_copy_is_preferred_by_prefix_too() -> None:
    state = prefixed("model.", changed(weights())) | prefixed("ema_model.", weights())
    checkpoint = me.read_checkpoint(state)
    assert checkpoint.wrapper == "ema_model"
    assert is_original(checkpoint)
    assert len(checkpoint.ignored) == len(weights())


@pytest.mark.parametrize("name", ["semantic_model", "non_ema", "scheduler_schema"])
def test_letters_that_happen_to_spell_ema_are_no_averaged_copy(name: str) -> None:
    checkpoint = me.read_checkpoint({"model": weights(), name: changed(weights())})
    assert checkpoint.wrapper == "model"


def test_a_training_checkpoints_other_tensors_do_not_disturb() -> None:
    content = {
        "epoch": 7,
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]},
        "model_state_dict": weights(),
        1: "a key that is no string",
    }
    assert me.read_checkpoint(content).wrapper == "model_state_dict"


def test_wrappers_that_never_end_are_not_followed_forever() -> None:
    content: dict[str, Any] = {}
    content["model"] = content
    with pytest.raises(CheckpointError, match="holds no tensors"):
        me.read_checkpoint(content)


@pytest.mark.parametrize("naming", NAMINGS)
def test_a_named_scheme_is_insisted_on(naming: str) -> None:
    for written in NAMINGS:
        if written == naming:
            assert me.read_checkpoint(weights(written), naming=naming).naming == naming
        else:
            with pytest.raises(CheckpointError, match=f"a MobileViT in {naming} naming"):
                me.read_checkpoint(weights(written), naming=naming)


def test_an_unknown_scheme_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"'keras'.*auto.*cvnets, timm, transformers"):
        me.read_checkpoint(weights(), naming="keras")


def test_a_checkpoint_passes_through_unchanged() -> None:
    checkpoint = me.read_checkpoint(weights())
    assert me.read_checkpoint(checkpoint) is checkpoint


def test_a_file_is_read_with_its_hash_and_path(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": weights()}, path)
    for given in (path, str(path)):
        checkpoint = me.read_checkpoint(given)
        assert checkpoint.origin == str(path)
        assert checkpoint.sha256 == sha256_of(path)
        assert checkpoint.config is checkpoint.processor is None


PROCESSOR = {"size": {"shortest_edge": 288}, "crop_size": {"height": 256, "width": 256}}


def hugging_face_folder(folder: Path, **config: object) -> Path:
    save_file(weights("transformers"), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return folder


def test_a_hugging_face_folder_brings_its_config_processor_and_labels(tmp_path: Path) -> None:
    # Keys of JSON objects are strings: "10" must not sort before "2".
    names = {str(index): f"class {index}" for index in (10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)}
    checkpoint = me.read_checkpoint(hugging_face_folder(tmp_path, id2label=names))
    assert is_original(checkpoint)
    assert checkpoint.sha256 == sha256_of(tmp_path / "model.safetensors")
    assert checkpoint.processor == PROCESSOR
    assert labels_of(checkpoint) == tuple(f"class {index}" for index in range(11))


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        ({}, None),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, None),
        ({"id2label": {"0": "LABEL_0", "1": "dog"}}, ("LABEL_0", "dog")),
        ({"label_names": ["cat", "dog"]}, ("cat", "dog")),
        ({"id2label": ["cat"]}, None),
    ],
)
def test_generated_labels_do_not_count_as_labels(
    tmp_path: Path, config: dict[str, object], labels: tuple[str, ...] | None
) -> None:
    assert labels_of(me.read_checkpoint(hugging_face_folder(tmp_path, **config))) == labels


def test_label_indices_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    checkpoint = me.read_checkpoint(hugging_face_folder(tmp_path, id2label={"cat": "0"}))
    with pytest.raises(CheckpointError, match=r"id2label.*not numbers"):
        labels_of(checkpoint)


CLASSES = ("cat", "dog", "eel")


@pytest.mark.parametrize(
    "beside",
    [
        {"class_to_idx": {"dog": 1, "cat": 0, "eel": 2}},
        {"idx_to_class": {0: "cat", 1: "dog", 2: "eel"}},
        {"id2label": {"0": "cat", "1": "dog", "2": "eel"}},
        {"classes": list(CLASSES)},
        {"hyper_parameters": {"class_to_idx": {"dog": 1, "cat": 0, "eel": 2}}},
        {"meta": {"dataset_meta": {"classes": CLASSES}}},
        {"meta": {"CLASSES": CLASSES}},
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_class_names_beside_the_weights_are_its_labels(
    tmp_path: Path, beside: dict[str, Any], first: bool
) -> None:
    path = tmp_path / "best.pt"
    content = {"state_dict": weights()}
    torch.save({**beside, **content} if first else {**content, **beside}, path)
    assert labels_of(me.read_checkpoint(path)) == CLASSES


@pytest.mark.parametrize(
    "beside",
    [{"class_to_idx": None}, {"classes": 3}, {"class_to_idx": {"cat": 7}}, {"classes": []}],
)
def test_what_only_sounds_like_class_names_is_passed_over(beside: dict[str, Any]) -> None:
    assert labels_of(me.read_checkpoint({**beside, "state_dict": weights()})) is None


def test_a_configs_labels_come_before_those_beside_the_weights(tmp_path: Path) -> None:
    torch.save({"classes": ["a", "b", "c"], "state_dict": weights()}, tmp_path / "best.pt")
    (tmp_path / "config.json").write_text(json.dumps({"label_names": CLASSES}))
    assert labels_of(me.read_checkpoint(tmp_path)) == CLASSES


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "cannot read"),
        (b"[1]", "not hold a JSON object"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"[" * 100_000, "cannot read"),
        (b" " * (4 * 1024**2 + 1), "larger than"),
    ],
    ids=["cut", "list", "binary", "deep", "huge"],
)
def test_damaged_configs_are_refused_by_name(
    tmp_path: Path, file: str, text: bytes, message: str
) -> None:
    (hugging_face_folder(tmp_path) / file).write_bytes(text)
    with pytest.raises(CheckpointError, match=f"(?s){file}.*{message}|{message}.*{file}"):
        me.read_checkpoint(tmp_path)


def test_safetensors_are_preferred_in_a_folder_and_bin_is_read(tmp_path: Path) -> None:
    torch.save(weights("transformers"), tmp_path / "pytorch_model.bin")
    assert is_original(me.read_checkpoint(tmp_path))
    save_file(changed(weights("transformers")), tmp_path / "model.safetensors")
    assert not is_original(me.read_checkpoint(tmp_path))


def test_the_only_weights_file_of_a_folder_is_found_whatever_its_name(tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "checkpoint_ema_best.pt")
    assert is_original(me.read_checkpoint(tmp_path))


def test_a_folder_with_several_candidates_asks_which(tmp_path: Path) -> None:
    for name in ("best.pt", "last.pt"):
        torch.save(weights(), tmp_path / name)
    with pytest.raises(CheckpointError, match=r"several \.pt files \(best\.pt, last\.pt\)"):
        me.read_checkpoint(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no weights.*\.safetensors"):
        me.read_checkpoint(tmp_path)


def module_of(parameters: dict[str, Any]) -> Inert:
    """A pickled module with these parameters."""
    module = Inert("net.Net")
    module.state = {"_parameters": parameters, "_modules": {}}
    return module


@pytest.mark.parametrize("kind", ["parameters", "labels"])
def test_what_a_file_shares_is_counted_as_often_as_it_is_walked(kind: str) -> None:
    value: Any = {
        "parameters": module_of(dict.fromkeys(map(str, range(90_000)))),
        "labels": {"classes": [None] * 90_000},
    }[kind]
    copies = {str(index): copy(value) for index in range(12)}
    with pytest.raises(CheckpointError, match="holds more than 1000000 entries"):
        me.read_checkpoint(copies)


def test_a_parameter_of_a_pickled_module_has_a_short_name() -> None:
    with pytest.raises(CheckpointError, match="no text of at most 200 characters"):
        me.read_checkpoint({"model": module_of({"x" * 201: torch.ones(1)})})


def test_a_long_key_is_not_repeated_in_every_path() -> None:
    key, tensors = "k" * 100_000, {"t": torch.ones(1)}
    content = {str(index): {key: dict(tensors)} for index in range(300)}
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="first names are t"):
            me.read_checkpoint(content)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_more_networks_than_anybody_saves_are_refused() -> None:
    stem = {"stem.conv.weight": torch.ones(1)}
    with pytest.raises(CheckpointError, match="holds more than 16 networks"):
        me.read_checkpoint({str(index): dict(stem) for index in range(17)})
