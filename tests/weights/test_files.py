"""Files of unknown origin: refused with a reason, never executed, bounded in memory."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import mobilevit_edge as me
from mobilevit_edge.errors import CheckpointError
from mobilevit_edge.weights import files
from mobilevit_edge.weights.files import read_weights_file
from tests.conftest import filled_model

SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        me.read_checkpoint(path)
    message = str(caught.value)
    assert path.name in message
    return message


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_file_is_named(tmp_path: Path, suffix: str) -> None:
    assert "No such file" in refusal(tmp_path / f"missing{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"empty{suffix}"
    path.touch()
    assert "is empty" in refusal(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "content",
    [
        b"\0",
        b"\x80\x02.",
        np.random.default_rng(1).bytes(5000),
        b"PK\x03\x04" + bytes(100),
        b"<!DOCTYPE html>",
        b"\x93NUMPY",
    ],
    ids=["zero", "pickled-nothing", "random", "zip-head", "html", "numpy"],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    message = refusal(path)
    assert "Python objects" not in message, "advice to re-save it would lead nowhere"
    assert "checkpoint" in message or "safetensors" in message


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe.pt"
    os.mkfifo(path)
    assert "is a named pipe, not a file" in refusal(path)


def saved(folder: Path, suffix: str) -> Path:
    weights = {"stem.conv.weight": torch.ones(16, 3, 3, 3), "other": torch.ones(500)}
    path = folder / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=suffix != ".bin")
    return path


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors"])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0.0, 0.999))
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = saved(tmp_path, suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError):
        read_weights_file(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors"])
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(position=st.integers(0, 1200), value=st.binary(min_size=1, max_size=4))
def test_a_file_with_changed_bytes_is_read_or_refused_and_nothing_else(
    tmp_path: Path, suffix: str, position: int, value: bytes
) -> None:
    path = saved(tmp_path, suffix)
    content = bytearray(path.read_bytes())
    content[position : position + len(value)] = value
    path.write_bytes(content)
    # Any other exception, or a crash, fails the test.
    with contextlib.suppress(CheckpointError):
        assert isinstance(read_weights_file(path), Mapping)


class Attack:
    """Pickles to a call of ``os.system``."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch '{self.marker}'",)


def plain_pickle(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


def old_torch_file(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("write", [torch.save, old_torch_file, plain_pickle])
@pytest.mark.parametrize("wrap", [lambda attack: attack, lambda attack: {"state_dict": attack}])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_code_inside_a_file_is_never_run(
    tmp_path: Path,
    write: Callable[[object, Path], None],
    wrap: Callable[[Attack], object],
    suffix: str,
) -> None:
    marker = tmp_path / "executed"
    path = tmp_path / f"weights{suffix}"
    write(wrap(Attack(marker)), path)
    with pytest.raises(CheckpointError) as caught:
        me.read_checkpoint(path)
    message = str(caught.value)
    assert path.name in message
    assert not marker.exists()
    if write is not plain_pickle:
        assert "never executed" in message
        assert "system" in message, "what was left out is named"
    assert "safetensors.torch.save_file" in message, "the next step is named"


def test_the_attack_would_have_worked(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    pickle.loads(pickle.dumps(Attack(marker)))  # noqa: S301 - our own bytes: the test's control
    assert marker.exists()


def test_a_pickled_model_of_this_package_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(filled_model("mobilevit_xxs", num_classes=1), path)
    message = refusal(path)
    assert "this package's own names" in message
    assert "save_weights" in message


@pytest.mark.parametrize("content", [[torch.ones(2)], torch.ones(2), 3, None, "text"])
def test_a_file_that_holds_no_mapping_is_refused_with_its_type(
    tmp_path: Path, content: object
) -> None:
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    assert f"holds a {type(content).__name__}, not a state dict" in refusal(path)


def test_numpy_arrays_in_a_checkpoint_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"stem.conv.weight": np.ones((16, 3, 3, 3))}, path)
    message = refusal(path)
    assert "NumPy arrays in place of tensors" in message
    assert "torch.from_numpy" in message


@pytest.mark.parametrize("names", [["notes.txt"], ["a/data.txt", "b.pt"], []])
def test_a_zip_that_is_no_checkpoint_is_recognized(tmp_path: Path, names: list[str]) -> None:
    path = tmp_path / "weights.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    assert "zip archive but not a PyTorch checkpoint" in refusal(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_archive_is_recognized(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    assert "TorchScript" in refusal(path)


def test_a_zip_bomb_is_refused_by_its_table_of_contents(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights/data.pkl", "x")
        for index in range(4):
            archive.writestr(f"weights/data/{index}", bytes(1_000_000))
    content = bytearray(path.read_bytes())
    # The central directory's uncompressed size: 24 bytes after each of its signatures.
    place = content.find(b"PK\x01\x02")
    while place != -1:
        content[place + 24 : place + 28] = struct.pack("<I", 2**32 - 2)
        place = content.find(b"PK\x01\x02", place + 1)
    path.write_bytes(content)
    assert path.stat().st_size < 100_000
    assert "stays below 2 GB" in refusal(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_above_the_limit_is_refused_unread(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    with path.open("wb") as file:
        # Sparse: takes no room on disk.
        file.truncate(files.MAX_CHECKPOINT_BYTES + 1)
    assert "has 2.1 GB" in refusal(path)


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"{}" + bytes(100),
        struct.pack("<Q", 90)
        + b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'.ljust(
            90
        )
        + bytes(8),
        struct.pack("<Q", 60)
        + b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}'.ljust(60)
        + bytes(8),
        struct.pack("<Q", 60)
        + b'{"a":{"dtype":"X99","shape":[1],"data_offsets":[0,4]}}'.ljust(60)
        + bytes(4),
        struct.pack("<Q", 8) + b"not json",
    ],
    ids=["giant-header", "trailing-bytes", "giant-tensor", "negative", "unknown-dtype", "no-json"],
)
def test_hostile_safetensors_headers_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    assert "not a complete safetensors file" in refusal(path)
