"""Writing weights: bit-exact round trips in all namings and formats, and failures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

import mobilevit_edge as me
from mobilevit_edge.errors import OutputError
from mobilevit_edge.models.network import MobileViT, create_meta_model
from mobilevit_edge.specs import SPECS, Attention
from mobilevit_edge.weights.loading import detect_spec
from mobilevit_edge.weights.naming import NAMINGS, Naming
from mobilevit_edge.weights.saving import named_weights
from tests.conftest import filled_model


def assert_same_weights(found: MobileViT, expected: MobileViT) -> None:
    first, second = found.state_dict(), expected.state_dict()
    assert first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


@pytest.mark.parametrize(
    ("naming", "name", "suffix"),
    [
        *product(
            NAMINGS, ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xxs_l2"), (".safetensors",)
        ),
        # How a file is written does not depend on the names in it.
        ("transformers", "mobilevit_xxs", ".pt"),
        ("transformers", "mobilevit_xxs", ".pth"),
    ],
)
def test_saved_weights_come_back_bit_for_bit(
    tmp_path: Path, naming: Naming, name: str, suffix: str
) -> None:
    model = filled_model(name, num_classes=6)
    path = tmp_path / f"weights{suffix}"
    me.save_weights(model, path, naming=naming)
    again = me.load_model(path)
    assert (again.spec, again.num_classes) == (model.spec, 6)
    assert_same_weights(again, model)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("attention", ["linformer", "separable"])
@pytest.mark.parametrize("naming", NAMINGS)
def test_swapped_attention_units_round_trip(
    tmp_path: Path, attention: Attention, naming: Naming
) -> None:
    model = filled_model("mobilevit_xxs", num_classes=2, attention=attention)
    me.save_weights(model, tmp_path / "weights.pt", naming=naming)
    again = me.create_model("mobilevit_xxs", num_classes=2, attention=attention)
    me.load_weights(again, tmp_path / "weights.pt")
    assert_same_weights(again, model)


@pytest.mark.parametrize("name", list(SPECS))
@pytest.mark.parametrize("naming", NAMINGS)
def test_every_model_is_recognized_from_its_names_and_shapes(name: str, naming: Naming) -> None:
    weights = named_weights(create_meta_model(SPECS[name], 11), naming)
    assert detect_spec(me.read_checkpoint(weights)) is SPECS[name]


@pytest.mark.parametrize("naming", NAMINGS)
def test_written_tensors_hold_no_more_than_themselves(naming: Naming) -> None:
    # A slice of the joint projection must not drag the whole one into the file.
    weights = named_weights(filled_model("mobilevit_xxs", num_classes=2), naming)
    assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in weights.values())


@pytest.mark.parametrize(
    ("file", "naming", "message"),
    [
        ("weights.onnx", "timm", r"'\.onnx'.*\.safetensors, \.pt or \.pth"),
        ("weights", "timm", "cannot write ''"),
        ("weights.pt", "keras", "'keras'.*cvnets, timm, transformers"),
    ],
)
def test_an_unknown_format_or_naming_is_refused_before_writing(
    tmp_path: Path, file: str, naming: Any, message: str
) -> None:
    model = create_meta_model(SPECS["mobilevit_xxs"], 1)
    with pytest.raises(ValueError, match=message):
        me.save_weights(model, tmp_path / file, naming=naming)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_missing_folder_is_an_output_error(tmp_path: Path, suffix: str) -> None:
    model = filled_model("mobilevit_xxs", num_classes=1)
    with pytest.raises(OutputError, match="cannot write"):
        me.save_weights(model, tmp_path / "missing" / f"weights{suffix}")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writes beyond ``size`` bytes fail with EFBIG: a stand-in for a full disk."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_disk_that_fills_up_is_an_output_error_and_keeps_the_old_file(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(b"old")
    model = filled_model("mobilevit_xxs", num_classes=1)
    with largest_file(100_000), pytest.raises(OutputError, match="cannot write"):
        me.save_weights(model, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
